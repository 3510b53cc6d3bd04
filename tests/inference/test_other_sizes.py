"""At every size the network's strides and windows fall on a picture as they did in training: nothing is shifted.

A network of strides is the same at each place of its grid and nowhere between. So, far from all borders, a larger
picture must become what each part of it becomes at the trained size, wherever that part begins at a multiple of what
the stages shrink by. This needs no training, and holds of a network at another size only if all its paddings agree.
"""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cae.config import check_config
from cae.engine import start_engine
from cae.inference import any_size
from cae.plan import make_plan
from tests.conftest import make_images

DAY = int(time.time() // 86_400)
DOWNSAMPLINGS = ("max_pool", "average_pool", "strided_conv")
UPSAMPLINGS = {
    **{name: {"kind": "resize", "interpolation": name} for name in ("nearest", "bilinear", "bicubic", "lanczos3")},
    **{name: name for name in ("max_unpool", "fixed_unpool", "subpixel", "bilinear_additive")},
    **{name: name for name in ("carafe", "dysample", "haar")},
    **{f"conv_transpose {side}": {"kind": "conv_transpose", "kernel_size": side} for side in (2, 3, 4, 5)},
    "blur": {"kind": "conv_transpose", "kernel_size": 3, "blur": True},
}
TIED = ("nearest", "bicubic", "fixed_unpool", "max_unpool", "conv_transpose")


def every_combination():
    """Every way down with every way up, also with tied weights; kernels and numbers of stages take turns."""
    both = [(down, up, False) for down, up in itertools.product(DOWNSAMPLINGS, UPSAMPLINGS)]
    both += [(down, up, True) for down, up in itertools.product(DOWNSAMPLINGS, TIED)]
    possible = [(down, up, tied) for down, up, tied in both if up != "max_unpool" or down == "max_pool"]
    turns = itertools.cycle(itertools.product((3, 4, 5), (2, 1, 3)))
    found = [(*combination, *turn) for combination, turn in zip(possible, turns, strict=False)]
    # A third of them each day, all with CAE_SLOW.
    return [
        pytest.param(*one, marks=[] if (number + DAY) % 3 == 0 else pytest.mark.slow)
        for number, one in enumerate(found)
    ]


def make_config(down, up, tied, kernel_size, stages, **encoder):
    channels = 2 if up == "subpixel" else 4
    model = {
        # Without training, rectifiers often let nothing through at all.
        "encoder": {
            "filters": [4] * stages,
            "kernel_size": kernel_size,
            "downsampling": down,
            "activation": "gelu",
            **encoder,
        },
        "bottleneck": {"kind": "spatial", "channels": channels},
        "decoder": {"upsampling": UPSAMPLINGS.get(up, up), "tied_weights": tied},
    }
    return check_config({"data": {"source": "arrays", "path": "gone.npy"}, "model": model})


def networks_for(config, size, scale=2.5):
    """A network that nobody trained, at a size; its weights are large enough for far neighbours to have their say."""
    start_engine()
    from cae.inference.network import Networks
    from cae.model import build_autoencoder

    autoencoder = build_autoencoder(make_plan(config.model, (*size, 1)), seed=3)
    weights = [scale * value if value.ndim == 4 else value for value in autoencoder.model.get_weights()]
    autoencoder.model.set_weights(weights)
    return Networks(config.model, autoencoder, "float32")


def own_size_for(config):
    """A height that is a multiple of the factor and a width that is not, with a middle that sees no border."""
    factor = config.model.factor
    reach = make_plan(config.model, (64 * factor, 64 * factor, 1)).reach + factor
    height = (int(2 * reach) // factor + 3) * factor
    return (height, height + factor - 1), factor


@pytest.mark.parametrize(("down", "up", "tied", "kernel_size", "stages"), every_combination())
def test_a_larger_picture_becomes_what_its_parts_become_at_the_trained_size(down, up, tied, kernel_size, stages):
    assert_parts_are_alike(make_config(down, up, tied, kernel_size, stages))


@pytest.mark.parametrize(
    ("down", "up", "tied", "options"),
    [
        ("max_pool", "conv_transpose 4", False, {"stem": 2, "residual_blocks": 1}),
        ("strided_conv", "nearest", True, {"stem": 4}),
        ("average_pool", "subpixel", False, {"padding": "reflect"}),
        ("space_to_depth", "subpixel", False, {"code_filters": 4, "residual_blocks_at_code": 1}),
        ("haar", "haar", False, {}),
        ("learned_indices", "learned_indices", True, {"residual_blocks": 1}),
    ],
)
def test_stems_and_blocks_at_the_code_keep_their_places(down, up, tied, options):
    assert_parts_are_alike(make_config(down, up, tied, 3, 1, **options))


def assert_parts_are_alike(config):
    own, factor = own_size_for(config)
    networks = networks_for(config, own)
    sizes = any_size.AnySize(networks, config)
    inner = slice(sizes.reach, -sizes.reach)
    picture = np.random.default_rng(0).random((1, own[0] + 2 * factor, own[1] + 2 * factor, 1), np.float32)
    at_home = networks.own.reconstruct(picture[:, factor : factor + own[0], factor : factor + own[1]])[0, inner, inner]
    assert at_home.std() > 3e-4  # many times what may differ
    for less_high in range(factor):
        less_wide = (3 * less_high + 1) % factor
        part = picture[:, : picture.shape[1] - less_high, : picture.shape[2] - less_wide]
        whole = sizes.reconstruct(part, "native")
        assert whole.shape == part.shape
        there = whole[0, factor : factor + own[0], factor : factor + own[1]][inner, inner]
        np.testing.assert_allclose(there, at_home, atol=1e-5)


@pytest.mark.parametrize(
    ("down", "up", "kernel_size", "stages", "own"),
    [
        ("strided_conv", "nearest", 3, 2, (62, 45)),
        ("max_pool", "conv_transpose 5", 5, 2, (28, 31)),
        ("average_pool", "conv_transpose 3", 4, 3, (28, 61)),
        ("strided_conv", "subpixel", 4, 1, (33, 32)),
    ],
)
def test_tiles_give_what_the_whole_picture_gives_at_every_size(monkeypatch, down, up, kernel_size, stages, own):
    config = make_config(down, up, False, kernel_size, stages)
    networks = networks_for(config, own)
    reach = any_size.AnySize(networks, config).reach
    monkeypatch.setattr(any_size, "_MOST_TILE_BYTES", 1)  # the smallest tiles that the overlap allows
    sizes = any_size.AnySize(networks, config, overlap=2 * reach + 2)
    for height, width in [(200, 181), (149, 202), (7, 203)]:
        picture = np.random.default_rng(height).random((1, height, width, 1), np.float32)
        tiled, whole = (sizes.reconstruct(picture, way) for way in ("tile", "native"))
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "convolutions"), [(4, 2), (2, 3), (5, 2)])
def test_the_reach_holds_for_windows_of_an_even_side(kernel_size, convolutions):
    """They see further to one side; with several in each stage that adds up."""
    config = make_config("max_pool", "subpixel", False, kernel_size, 2, convs_per_stage=convolutions, residual_blocks=1)
    networks = networks_for(config, (96, 96))
    reach = any_size.AnySize(networks, config).reach
    images = np.full((1, 192, 192, 1), 0.5, np.float32)
    before = networks.at((192, 192)).reconstruct(images)
    for row, column in [(96, 96), (97, 98), (98, 97), (99, 99)]:
        changed = images.copy()
        changed[0, row, column] = 1.0
        rows, columns = np.nonzero(np.abs(networks.at((192, 192)).reconstruct(changed) - before)[0, ..., 0])
        assert len(rows)
        assert max(np.abs(rows - row).max(), np.abs(columns - column).max()) <= reach


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(2, 4),
    st.sampled_from(DOWNSAMPLINGS),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_every_stage_leaves_the_remainder_of_training(stages, factor, down, own, size):
    """SAME padding depends on a side's remainder by the strides, and on nothing else of the size."""
    from cae.inference.network import Networks

    key = "strides" if down == "strided_conv" else "pool_size"
    downsampling = {"kind": down, key: factor}
    config = make_config(downsampling, "nearest", False, 3, stages)
    least = factor
    for _ in range(stages - 1):
        least = (least - 1) * factor + 1
    own, size = (tuple(max(least, side) for side in sides) for sides in (own, size))
    trained = make_plan(config.model, (*own, 1))

    class Autoencoder:
        plan = trained

    networks = Networks(config.model, Autoencoder(), "float32")
    plan = networks.plan_at(size)
    factors = factor**stages
    for there, wanted in zip(plan.image_shape[:2], size, strict=True):
        assert wanted <= there < wanted + 2 * factors
    for here, there in zip(trained.operations, plan.operations, strict=True):
        if here.input_shape[:2] != here.output_shape[:2]:
            # The larger map, of which there are windows: before a downsampling, behind an upsampling.
            mine, theirs = (max(step.input_shape[:2], step.output_shape[:2]) for step in (here, there))
            assert [side % factor for side in mine] == [side % factor for side in theirs]
    assert networks.plan_at(own).image_shape == trained.image_shape


@pytest.mark.parametrize(
    ("down", "up", "kernel_size", "stages", "own"),
    [
        ("strided_conv", "nearest", 3, 2, (32, 30)),
        ("average_pool", "conv_transpose 3", 3, 2, (31, 32)),
    ],
)
def test_trained_networks_shift_nothing_at_any_size(monkeypatch, down, up, kernel_size, stages, own):
    import keras

    start_engine()
    keras.utils.set_random_seed(0)
    config = make_config(down, up, False, kernel_size, stages, filters=[12, 12], activation="elu")
    networks = networks_for(config, own, scale=1.0)
    images = make_images(800, *own).astype(np.float32) / 255
    model = networks.autoencoder.model
    model.compile(keras.optimizers.Adam(5e-3), "mse")
    model.fit(images, images, batch_size=16, epochs=2, verbose=0)
    monkeypatch.setattr(any_size, "_MOST_TILE_BYTES", 1)
    sizes = any_size.AnySize(networks, config)
    height, width = networks.fit_side(96, 0), networks.fit_side(120, 1)
    picture = make_images(1, height, width, seed=1).astype(np.float32) / 255
    as_trained = psnr(picture[0], sizes.reconstruct(picture, "native")[0])
    assert as_trained > 20  # it has learnt something
    for less_high, less_wide in [(0, 0), (1, 2), (2, 3), (3, 1)]:
        part = picture[:, : height - less_high, : width - less_wide]
        for way in ("native", "tile"):
            made = sizes.reconstruct(part, way)[0]
            assert psnr(part[0], made) > as_trained - 1
            assert best_shift(part[0], made) == (0, 0)


def psnr(picture, made):
    return -10 * np.log10(np.mean((picture - made) ** 2))


def best_shift(picture, made, most=3):
    """By how many pixels down and to the right what was made must be moved to be most like the picture."""
    height, width = picture.shape[0] - 2 * most, picture.shape[1] - 2 * most
    middle = picture[most : most + height, most : most + width]
    shifts = itertools.product(range(-most, most + 1), repeat=2)
    return min(shifts, key=lambda by: np.mean((middle - moved(made, by, most, height, width)) ** 2))


def moved(made, by, most, height, width):
    top, left = most - by[0], most - by[1]
    return made[top : top + height, left : left + width]
