"""Transforms that need no training, against mathematics and independent libraries."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from scipy.fft import dctn
from sklearn.linear_model import LinearRegression

from cae.config import ConfigError, RunConfig, check_config
from cae.evaluation import floors
from cae.evaluation.floors import fit_floors, measure_floors
from cae.measures import verdict
from cae.measures.linear_codes import choose_block, num_blocks, to_blocks
from cae.measures.verdict import below_floor, make_verdict, remedies
from cae.plan import make_plan


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Noise whose neighbours are alike, as those of photographs are, far from 0 and 1."""
    noise = np.random.default_rng(seed).standard_normal((count, *shape)).cumsum(axis=1).cumsum(axis=2)
    return (0.5 + 0.2 * noise / np.abs(noise).max()).astype(np.float32)


def mse(images, reconstructions):
    return float(np.square(np.asarray(images, np.float64) - reconstructions).mean())


def test_neighbours_that_tell_a_block_are_used_by_least_squares_and_not_by_the_klt():
    # Each block of two pixels is (a, the next block's a): one value for each block tells half of it only.
    rng = np.random.default_rng(0)
    values = 0.5 + 0.1 * rng.standard_normal((200, 1, 7, 1))
    images = np.stack([values[:, :, :-1], 0.6 * values[:, :, 1:] + 0.2], axis=3).reshape(200, 1, 12, 1)
    images = images.astype(np.float32)
    found = fit_floors(images, (1, 6, 1))
    klt, least_squares = (mse(images, found[name].reconstruct(images)) for name in list(found)[:2])
    assert least_squares < 0.5 * klt


@pytest.mark.parametrize(("shape", "code"), [((12, 9, 1), (3, 3, 2)), ((10, 7, 3), (4, 3, 3)), ((8, 8, 1), (1, 1, 9))])
def test_the_least_squares_decoder_is_scikit_learn_s_regression_on_neighbouring_codes(shape, code):
    images = pictures(60, shape)
    block, channels = choose_block(shape, code)
    found = fit_floors(images, code)
    klt = floors.fit_block_klt([images], block, channels)
    codes = klt.encode(images)
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down, across = codes.shape[1:3]
    rows = [
        padded[image, y : y + 3, x : x + 3].ravel()
        for image in range(len(images))
        for y in range(down)
        for x in range(across)
    ]
    targets = to_blocks(images, block).reshape(len(rows), -1)
    expected = LinearRegression().fit(rows, targets).predict(rows)
    blocks = to_blocks(found["block_klt_least_squares"].reconstruct(images), block).reshape(len(rows), -1)
    inside = to_blocks(np.ones((1, *shape), np.float32), block)  # repeated borders are cut off and come back otherwise
    if shape[0] % block[0] or shape[1] % block[1]:
        assert mse(images, found["block_klt_least_squares"].reconstruct(images)) < mse(
            images, found["block_klt"].reconstruct(images)
        )
    else:
        assert inside.all()
        np.testing.assert_allclose(blocks, expected, atol=2e-4)


@pytest.mark.parametrize("code", [(4, 4, 3), (2, 2, 5), (1, 1, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_least_squares_is_never_worse_on_its_training_images(code, channels):
    images = pictures(40, (12, 12, channels))
    found = {name: mse(images, floor.reconstruct(images)) for name, floor in fit_floors(images, code).items()}
    assert found["block_klt_least_squares"] <= found["block_klt"] * (1 + 1e-6)


def test_the_zonal_dct_leaves_the_variance_of_the_coefficients_that_it_drops():
    images = pictures(60, (16, 16, 3))
    kept = {}
    for block, per_block in ((8, 12), (16, 48)):
        blocks = to_blocks(images, (block, block)).reshape(-1, block, block, 3)
        variances = np.sort(dctn(blocks.astype(float), axes=(1, 2, 3), norm="ortho").reshape(len(blocks), -1).var(0))
        kept[block] = variances[:-per_block].sum() / (block * block * 3)
    found = fit_floors(images, (4, 4, 3))["zonal_dct"]
    assert mse(images, found.reconstruct(images)) == pytest.approx(min(kept.values()), rel=1e-3)
    assert found.notes["block"] == [min(kept, key=kept.get)] * 2
    assert found.notes["values"] == 48


def test_there_is_a_zonal_dct_of_images_whose_sides_are_powers_of_two_only():
    assert "zonal_dct" in fit_floors(pictures(9, (8, 16, 1)), (2, 4, 1))
    for shape in ((28, 28, 1), (8, 12, 1), (4, 4, 1)):
        assert "zonal_dct" not in fit_floors(pictures(9, shape), (2, 2, 1))


@pytest.mark.parametrize(
    ("image_shape", "code_shape", "block", "channels"),
    [
        ((32, 32, 3), (8, 8, 8), (4, 4), 8),
        ((28, 28, 1), (7, 7, 4), (4, 4), 4),
        ((27, 50, 1), (7, 13, 2), (4, 4), 2),
        ((9, 9, 1), (4, 4, 5), (3, 3), 5),  # three blocks a side, fewer than the code has
        ((28, 28, 1), (1, 1, 66), (14, 14), 16),
        ((28, 28, 1), (1, 1, 3), (28, 28), 3),
        ((128, 96, 3), (1, 1, 64), (32, 24), 4),  # quarters would have more than 3,072 values
        ((1, 400, 1), (1, 1, 10), (1, 200), 5),
    ],
)
def test_the_block_gives_at_most_the_code_s_number_of_values(image_shape, code_shape, block, channels):
    assert choose_block(image_shape, code_shape) == (block, channels)
    assert num_blocks(image_shape, block) * channels <= math.prod(code_shape)


@pytest.mark.parametrize("code_shape", [(4, 4, 16), (4, 4, 40), (1, 1, 256)])
def test_a_code_as_large_as_the_image_is_exact_and_says_so(code_shape):
    images = pictures(300, (16, 16, 1))
    for name, result in measure_floors(lambda: [images], lambda: [images], code_shape).items():
        assert result["psnr"] > 80, name
        assert result["note"].startswith("exact")
        assert result["values"] == 256


def test_images_of_few_patterns_are_exact_with_as_many_channels():
    rng = np.random.default_rng(3)
    patterns = rng.random((3, 4, 4))
    blocks = np.tensordot(rng.random((50, 2, 2, 3)), patterns, 1)  # [N, 2, 2, 4, 4]
    images = (blocks.transpose(0, 1, 3, 2, 4).reshape(50, 8, 8, 1) / 4).astype(np.float32)
    result = measure_floors(lambda: [images[:30]], lambda: [images[30:]], (2, 2, 8))["block_klt"]
    assert result["psnr"] > 90
    assert result["values"] == 12
    assert "8 values" in result["note"]


@pytest.mark.parametrize("shape", [(7, 8, 1), (5, 7, 3)])  # no DCT, whose coefficients need no fit
def test_images_that_are_all_alike_leave_the_mean(shape):
    training, images = np.full((2, *shape), 0.25, np.float32), pictures(3, shape)
    for name, result in measure_floors(lambda: [training], lambda: [images], (1, 1, 1)).items():
        assert result["mse"] == pytest.approx(mse(images, 0.25), rel=1e-4), name


def test_the_work_of_a_fit_is_bounded_by_taking_fewer_images(monkeypatch):
    monkeypatch.setattr(floors, "_MOST_WORK", 1.0)
    monkeypatch.setattr(floors, "_MOST_DCT_IMAGES", 10)
    images = pictures(500, (8, 8, 1))
    found = fit_floors(images, (2, 2, 2))
    assert found["block_klt"].notes["fitted_on"] == 500
    assert 40 <= found["block_klt_least_squares"].notes["fitted_on"] <= 60  # 190 rows, four for each image
    assert found["zonal_dct"].notes["fitted_on"] <= 10


@pytest.mark.parametrize("which", ["training", "evaluation"])
def test_a_stream_without_images_is_an_error(which):
    streams = {"training": [pictures(4, (4, 4, 1))], "evaluation": [pictures(4, (4, 4, 1))], which: []}
    with pytest.raises(ValueError, match=f"`{which}` must give at least one image"):
        measure_floors(lambda: streams["training"], lambda: streams["evaluation"], (2, 2, 1))


def others(**psnr):
    return {name: {"psnr": value} for name, value in psnr.items()}


def test_the_verdict_says_by_how_much_a_model_is_above_and_below_and_what_to_try():
    config = RunConfig.model_validate({"training": {"epochs": 7}})
    plan = make_plan(config.model, (28, 28, 1))
    found = make_verdict(24.0, others(block_klt=25.5, pca=30.0, resize=23.75, mean_image=10.0), plan, config)
    assert found["below"] == {"block_klt": 1.5, "pca": 6.0}
    assert found["above"] == {"resize": 0.25, "mean_image": 14.0}
    assert "below block KLT by 1.50 dB, PCA by 6.00 dB; above resizing by 0.25 dB" in found["text"]
    assert "training.epochs=21" in found["try"]
    assert found["text"].endswith(f". Try {' '.join(found['try'])}")  # the words are for the command line and Python
    better = make_verdict(31.0, others(block_klt=25.5, pca=30.0), plan, config)
    assert better["below"] == {}
    assert better["try"] == []
    assert "Try" not in better["text"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": {"decoder": {"upsampling": "max_unpool"}}},
        {"model": {"bottleneck": "dense"}, "training": {"steps": 50}},
        {"model": {"encoder": {"downsampling": "strided_conv", "activation": "gelu"}}, "training": {"epochs": 2}},
        {"model": {"decoder": {"tied_weights": True, "upsampling": "conv_transpose"}}},
        {"model": {"linear_path": "block", "init": "klt", "decoder": {"output_activation": "linear"}}},
        {"grid": {"model.decoder.upsampling.kind": ["resize", "subpixel"]}},
    ],
)
def test_what_to_try_can_be_pasted_and_changes_something(settings):
    config = check_config(settings)
    words = remedies(config)
    changed = check_config(settings, words)
    assert changed != config
    for word in words:  # none is there for nothing, and all of them together are allowed
        rest = [other for other in words if other != word]
        with contextlib.suppress(ConfigError):
            assert check_config(settings, rest) != changed


def test_what_to_try_is_checked_once_where_all_of_it_fits(monkeypatch):
    checked = []
    monkeypatch.setattr(verdict, "check_config", lambda *given: checked.append(given) or check_config(*given))
    assert len(remedies(RunConfig.model_validate({"training": {"epochs": 10}}))) == 6
    assert len(checked) == 1


@pytest.mark.parametrize("bottleneck", [{"kind": "none"}, {"kind": "dense", "units": 900}, {"kind": "spatial"}])
def test_where_the_code_holds_the_image_a_smaller_one_is_to_be_tried(bottleneck):
    settings = {"model": {"bottleneck": bottleneck}}
    config = check_config(settings)
    plan = make_plan(config.model, (28, 28, 1))
    exact = {"block_klt": {"psnr": 99.9, "note": "exact: ..."}, **others(mean_image=9.0)}
    found = make_verdict(30.0, exact, plan, config)
    assert found["below"] == {}
    assert found["exact"] == ["block_klt"]
    smaller = make_plan(check_config(settings, found["try"]).model, (28, 28, 1))
    assert smaller.code.values <= 784 // 8
    assert below_floor(30.0, exact, config) == []


def test_the_warning_names_the_floors_that_a_model_is_below():
    (warning,) = below_floor(20.0, others(block_klt=20.5, zonal_dct=19.0), RunConfig())
    assert warning.code == "below_floor"
    assert "20.00 dB, is below block KLT by 0.50 dB" in warning.message
    assert "DCT" not in warning.message
    assert below_floor(21.0, others(block_klt=20.5, zonal_dct=19.0), RunConfig()) == []


def test_a_model_with_a_linear_path_and_without_pooling_is_not_told_to_take_them():
    config = RunConfig.model_validate(
        {
            "model": {
                "encoder": {"stem": 2, "downsampling": "space_to_depth", "activation": "silu"},
                "decoder": {"upsampling": "subpixel", "output_activation": "linear"},
                "linear_path": {"kind": "block", "trainable": False},
                "init": "klt",
            },
            "training": {"epochs": 10},
        }
    )
    assert remedies(config) == ["training.epochs=30"]
