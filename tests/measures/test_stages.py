"""Unevenness of built decoders against the closed formula on their kernels."""

import numpy as np
import pytest

from cae.config.model import ModelSection
from cae.measures.stages import overlap_unevenness, phase_gains, stage_unevenness, unevenness
from cae.model import build_autoencoder
from cae.plan import make_plan

EVEN = [
    "bilinear_additive",
    "subpixel",
    *({"kind": "resize", "interpolation": name} for name in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")),
]


def conv_transpose(kernel_size):
    return {"kind": "conv_transpose", "kernel_size": kernel_size}


def build(upsampling, shape=(15, 26, 1), factor=2, seed=0, precision="float32", **encoder):
    encoder = {"filters": [36, 36], "downsampling": {"kind": "max_pool", "pool_size": factor}} | encoder
    section = ModelSection.model_validate({"encoder": encoder, "decoder": {"upsampling": upsampling}})
    return build_autoencoder(make_plan(section, shape), seed=seed, precision=precision)


def scramble(autoencoder, seed=0):
    """Random weights everywhere, biases included, as training might leave them."""
    generator = np.random.default_rng(seed)
    autoencoder.model.set_weights([generator.normal(0.1, 1.0, w.shape) for w in autoencoder.model.get_weights()])
    return autoencoder


def values(autoencoder, name="unevenness"):
    return [stage[name] for stage in stage_unevenness(autoencoder)]


def kernel(autoencoder, name):
    return np.asarray(autoencoder.decoder.get_layer(name).kernel, np.float64)


@pytest.mark.parametrize(("kernel_size", "factor"), [(3, 2), (4, 2), (5, 3), (7, 2), (2, 3), (1, 2)])
def test_a_transposed_convolution_has_the_unevenness_of_its_kernel(kernel_size, factor):
    autoencoder = scramble(build(conv_transpose(kernel_size), factor=factor))
    for stage, name in zip(stage_unevenness(autoencoder), ("stage_2", "stage_1"), strict=True):
        gains = phase_gains(kernel(autoencoder, f"{name}_conv_transpose"), factor)
        assert stage == {
            "stage": name,
            "unevenness": pytest.approx(unevenness(gains)),
            "overlap_unevenness": pytest.approx(overlap_unevenness(gains)),
        }


@pytest.mark.parametrize(("kernel_size", "factor"), [(3, 2), (5, 2), (3, 3), (4, 3)])
@pytest.mark.parametrize("kind", ["fixed_unpool", "max_unpool"])
def test_unpooling_has_the_unevenness_of_the_kernel_that_follows_it(kind, kernel_size, factor):
    autoencoder = scramble(build(kind, factor=factor, kernel_size=kernel_size))
    expected = [unevenness(phase_gains(kernel(autoencoder, f"stage_{n}_conv_1"), factor)) for n in (2, 1)]
    assert values(autoencoder) == pytest.approx(expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_subpixel_convolution_has_the_unevenness_between_the_kernels_of_its_subpixels(factor):
    autoencoder = scramble(build("subpixel", factor=factor, kernel_size=5))
    expected = []
    for number in (2, 1):
        sums = kernel(autoencoder, f"stage_{number}_conv_1").sum(axis=(0, 1))  # [in, s * s * out]
        expected.append(unevenness(sums.reshape(len(sums), factor, factor, -1).transpose(1, 2, 0, 3)))
    assert values(autoencoder) == pytest.approx(expected)
    assert min(expected) > 0.5


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("upsampling", EVEN, ids=str)
def test_resizing_and_the_icnr_start_are_even(upsampling, precision):
    autoencoder = build(upsampling, precision=precision)
    if upsampling != "subpixel":
        scramble(autoencoder)  # no weights make a resize uneven
    for name in ("unevenness", "overlap_unevenness"):
        assert max(values(autoencoder, name)) < 1e-6


def test_before_training_3x3_is_above_4x4_is_above_resizing_in_overlap():
    for seed in range(4):
        overlap = {
            name: np.mean(values(build(upsampling, seed=seed, filters=[16, 32]), "overlap_unevenness"))
            for name, upsampling in (("3x3", conv_transpose(3)), ("4x4", conv_transpose(4)), ("resize", "resize"))
        }
        assert overlap["3x3"] > 0.2 > 0.1 > overlap["4x4"] > 1e-3 > 1e-9 > overlap["resize"]


def test_each_stage_is_measured_by_its_own_kind_from_the_code_outwards():
    mixed = build([conv_transpose(3), "resize"], normalization="batch", convs_per_stage=2, residual_blocks=1)
    assert [stage["stage"] for stage in stage_unevenness(mixed)] == ["stage_2", "stage_1"]
    assert values(mixed)[0] > 1.0 > 1e-6 > values(mixed)[1]


def test_the_size_of_the_pictures_does_not_matter():
    sizes = [(5, 4, 1), (15, 26, 1), (64, 64, 1)]
    first, *others = (values(build({"kind": "fixed_unpool"}, shape)) for shape in sizes)
    for other in others:
        assert other == pytest.approx(first)


def test_many_channels_are_measured_in_parts(monkeypatch):
    autoencoder = scramble(build(conv_transpose(5)))
    whole = values(autoencoder)
    monkeypatch.setattr("cae.measures.stages._VALUES_AT_ONCE", 20_000)
    assert values(autoencoder) == pytest.approx(whole)


def test_measuring_leaves_the_model_as_it_is():
    autoencoder = scramble(build("max_unpool"))
    images = np.random.default_rng(5).random((2, 15, 26, 1), np.float32)
    before = [np.asarray(autoencoder.model(images)), *autoencoder.model.get_weights()]
    stage_unevenness(autoencoder)
    after = [np.asarray(autoencoder.model(images)), *autoencoder.model.get_weights()]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_tied_stage_has_the_unevenness_of_the_encoders_kernel():
    model = ModelSection.model_validate(
        {
            "encoder": {"filters": [6, 5], "downsampling": "strided_conv"},
            "decoder": {"upsampling": "conv_transpose", "tied_weights": True},
        }
    )
    autoencoder = scramble(build_autoencoder(make_plan(model, (15, 26, 3))))
    for stage, name in zip(stage_unevenness(autoencoder), ("stage_2", "stage_1"), strict=True):
        shared = np.asarray(autoencoder.encoder.get_layer(f"{name}_conv_1").kernel, np.float64)
        assert stage["unevenness"] == pytest.approx(unevenness(phase_gains(shared, 2)))
