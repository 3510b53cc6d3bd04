"""Pictures of other sizes than the model's: the same weights, in tiles or as a whole, or resized."""

import numpy as np
import pytest

from cae.data.pixels import crop, stretch
from cae.errors import ConfigError
from cae.inference import TrainedAutoencoder, any_size
from cae.plan import PlanError
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, DENSE, make_run

KINDS = {
    "conv_transpose": {"upsampling": {"kind": "conv_transpose", "kernel_size": 3}},
    "max_unpool": {"upsampling": "max_unpool"},
    "bicubic": {"upsampling": {"kind": "resize", "interpolation": "bicubic"}},
    "subpixel": {"upsampling": "subpixel"},
    "tied": {"upsampling": "fixed_unpool", "tied_weights": True},
}
ENCODERS = {
    "pools of 2": {"filters": [4, 8]},
    "strides of 2": {"filters": [4, 8], "downsampling": "strided_conv", "normalization": "layer"},
    "pools of 3": {"filters": [9], "downsampling": {"kind": "max_pool", "pool_size": 3}, "kernel_size": 5},
}


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "convolutional"
    return TrainedAutoencoder.load(make_run(folder, (16, 12, 1), CONVOLUTIONAL))


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "dense"
    return TrainedAutoencoder.load(make_run(folder, (16, 12, 1), DENSE))


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [("pools of 2", kind) for kind in KINDS] + [("strides of 2", "conv_transpose"), ("pools of 3", "subpixel")],
)
def test_tiles_give_what_the_whole_picture_gives(tmp_path, monkeypatch, encoder, decoder):
    model = {"encoder": ENCODERS[encoder], "decoder": KINDS[decoder]}
    model = TrainedAutoencoder.load(make_run(tmp_path / "run", (24, 24, 3), model, seed=3))
    # Weights as they start make gray of everything; larger ones let far neighbours have their say.
    keras_model = model._networks.autoencoder.model
    keras_model.set_weights([2.5 * value if value.ndim == 4 else value for value in keras_model.get_weights()])
    monkeypatch.setattr(any_size, "_MOST_TILE_BYTES", 1)  # the smallest tiles that the overlap allows
    sizes = model._at_any_size(overlap=2 * model._at_any_size().reach + 2)
    images = np.random.default_rng(1).integers(0, 256, (1, 96, 180, 3), np.uint8)
    whole = sizes.reconstruct(images, "native")
    tiled = sizes.reconstruct(images, "tile")
    assert whole.std() > 0.01
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_tiles_that_overlap_too_little_differ_from_the_whole(convolutional, monkeypatch):
    monkeypatch.setattr(any_size, "_MOST_TILE_BYTES", 1)
    images = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 1), np.uint8)
    whole, tiled = (convolutional.reconstruct(images, size=size, overlap=2) for size in ("native", "tile"))
    assert np.abs(whole - tiled).max() > 1e-3


def test_a_larger_picture_goes_through_the_same_weights(convolutional):
    """Far from all borders, each part of a large picture becomes what it becomes in a picture of its own."""
    sizes = convolutional._at_any_size()
    images = np.random.default_rng(2).integers(0, 256, (1, 160, 160, 1), np.uint8)
    large = sizes.reconstruct(images, "native")
    part = sizes.reconstruct(images[:, 16:144, 24:152], "native")
    inner = slice(sizes.reach, 128 - sizes.reach)
    np.testing.assert_allclose(part[:, inner, inner], large[:, 16:144, 24:152][:, inner, inner], atol=1e-6)


def test_the_reach_is_as_far_as_a_pixel_is_seen(convolutional):
    """A change of one pixel shows nowhere beyond the reach."""
    sizes = convolutional._at_any_size()
    images = np.full((1, 96, 96, 1), 128, np.uint8)
    changed = images.copy()
    for row, column in [(48, 48), (49, 50), (51, 47)]:
        changed[:] = images
        changed[0, row, column] = 255
        moved = np.abs(sizes.reconstruct(changed, "native") - sizes.reconstruct(images, "native"))[0, ..., 0]
        rows, columns = np.nonzero(moved > 1e-6)
        assert len(rows)
        assert max(np.abs(rows - row).max(), np.abs(columns - column).max()) <= sizes.reach


def test_a_dense_bottleneck_gets_pictures_of_its_size_and_the_result_is_enlarged_again(dense):
    image = make_images(1, 40, 50)[0]
    own = dense.reconstruct(stretch(image, (16, 12)))
    reconstruction = dense.reconstruct(image)
    assert reconstruction.shape == (40, 50, 1)
    np.testing.assert_allclose(reconstruction, stretch(own, (40, 50)), atol=1e-6)


def test_a_dense_bottleneck_in_tiles_keeps_to_each_places_own_tile(dense):
    """Far from the overlap a tile's reconstruction stands alone."""
    image = make_images(1, 16, 24)[0]
    tiled = dense.reconstruct(image, size="tile", overlap=0)
    np.testing.assert_allclose(tiled[:, :12], dense.reconstruct(image[:, :12]), atol=1e-6)
    np.testing.assert_allclose(tiled[:, 12:], dense.reconstruct(image[:, 12:]), atol=1e-6)


def test_pictures_smaller_than_a_tile_are_completed_by_their_mirror_image(dense):
    image = make_images(1, 16, 6)[0]
    completed = np.concatenate([image, image[:, ::-1]], axis=1)
    tiled = dense.reconstruct(image, size="tile", overlap=2)
    np.testing.assert_allclose(tiled, dense.reconstruct(completed)[:, :6], atol=1e-6)


def test_a_dense_bottleneck_refuses_another_size_as_it_is(dense):
    with pytest.raises(PlanError, match=r"one size only, 16x12 .*Received: 20x12"):
        dense.reconstruct(np.zeros((20, 12), np.uint8), size="native")


def test_tiles_of_a_fixed_size_cannot_overlap_wholly(dense):
    with pytest.raises(ConfigError, match=r"16x12 .* must overlap by 0 to 11 pixels. Received: 12"):
        dense._at_any_size(overlap=12)


def test_left_to_itself_a_model_keeps_to_the_scale_of_training(convolutional, dense):
    for sizes in (convolutional._at_any_size(), dense._at_any_size()):
        assert sizes.choose("auto", (16, 12)) == "native"
        assert sizes.choose("auto", (100, 100)) == "resize"
        assert sizes.choose("tile", (100, 100)) == "tile"


def test_what_training_cut_patches_of_is_not_shrunk(tmp_path):
    data = {"source": "image_folder", "path": "gone", "image_size": [16, 16], "fit": "patch"}
    models = {"dense": DENSE, "convolutional": CONVOLUTIONAL}
    sizes = {
        name: TrainedAutoencoder.load(make_run(tmp_path / name, (16, 16, 3), model, data=data))._at_any_size()
        for name, model in models.items()
    }
    assert sizes["dense"].choose("auto", (100, 100)) == "tile"
    assert sizes["convolutional"].choose("auto", (100, 100)) == "native"
    assert sizes["convolutional"].choose("auto", (6000, 8000)) == "tile"
    assert sizes["convolutional"].choose("auto", (1, 1)) == "resize"  # too small for two poolings
    assert sizes["convolutional"].choose("resize", (100, 100)) == "resize"


def test_what_training_cropped_keeps_its_proportions_and_loses_no_border(tmp_path):
    """A picture twice as high as the model's size is scaled to its width; in the middle it is what training saw."""
    data = {"source": "image_folder", "path": "gone", "image_size": [64, 64], "fit": "crop"}
    model = TrainedAutoencoder.load(make_run(tmp_path / "run", (64, 64, 3), CONVOLUTIONAL, data=data))
    sizes = model._at_any_size()
    image = make_images(1, 192, 96, 3)
    seen, made = sizes.compare(image, sizes.choose("auto", (192, 96)))
    np.testing.assert_array_equal(seen[0], stretch(image[0], (128, 64)))
    assert made.shape == (1, 128, 64, 3)
    inner = slice(sizes.reach, 64 - sizes.reach)
    cropped = model.reconstruct(crop(image[0], (64, 64)))  # the middle: 32 pixels from the top, a whole cell
    np.testing.assert_allclose(made[0, 32:96][inner, inner], cropped[inner, inner], atol=0.02)
    dense = TrainedAutoencoder.load(make_run(tmp_path / "dense", (64, 64, 3), DENSE, data=data))
    assert dense._at_any_size().compare(image, "resize")[0].shape == (1, 64, 64, 3)


def test_batches_shrink_as_pictures_grow(convolutional):
    sizes = convolutional._at_any_size()
    own = convolutional.config.training.images_at_once
    assert sizes.batch_size((16, 12)) == own
    assert sizes.batch_size((160, 120)) == max(1, own // 100)
    assert sizes.batch_size((10_000, 10_000)) == 1
