"""Bits of codes and switches against SciPy's entropy and decoding by hand."""

import numpy as np
import pytest
from scipy import stats

from cae.config.model import ModelSection
from cae.config.objective import NoCorruption, ObjectiveSection
from cae.data.image_set import ArraySet
from cae.evaluation.bits import BitMeter, bits_in_words, entropy, mean_bits
from cae.evaluation.measure import Measurer
from cae.measures.per_image import mse_per_image, psnr_from_mse
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.plan.matching import match_bits
from cae.training.objective import Objective
from tests.conftest import make_images


def plan_of(upsampling, bottleneck, **encoder):
    section = {
        "encoder": {"filters": [4, 3], **encoder},
        "bottleneck": bottleneck,
        "decoder": {"upsampling": upsampling},
    }
    return make_plan(ModelSection.model_validate(section), (11, 8, 1))


def measure(autoencoder, pixels, batch_size):
    """The meter's figures, as an evaluation gets them."""

    def measurer(*change):
        return Measurer(autoencoder, Objective(ObjectiveSection()), NoCorruption(), batch_size, *change)

    meter = BitMeter(autoencoder.plan)
    measured = measurer().measure(ArraySet(pixels), lambda _, __, latent, switches: meter.add(latent, switches))
    return meter.measure(measurer, ArraySet(pixels), measured.means()["psnr"]), measured.means()["psnr"]


def test_the_entropy_of_counts_is_that_of_scipy():
    counts = np.random.default_rng(0).integers(0, 9, (5, 7, 4))
    counts[0, 0] = [3, 0, 0, 0]
    np.testing.assert_allclose(entropy(counts), stats.entropy(counts, axis=-1, base=2), atol=1e-12)
    assert entropy(np.zeros(4)) == 0
    assert entropy(np.ones(256)) == 8


@pytest.mark.parametrize("bottleneck", [{"kind": "spatial", "channels": 5}, {"kind": "dense", "units": 6}])
@pytest.mark.parametrize("kind", ["per_channel", "per_place"])
def test_bits_are_what_numpy_counts_in_all_codes_and_switches_at_once(kind, bottleneck):
    autoencoder = build_autoencoder(plan_of({"kind": "max_unpool", "switches": kind}, bottleneck), seed=2)
    pixels = make_images(7, 11, 8)
    found, psnr = measure(autoencoder, pixels, batch_size=3)
    images = pixels.astype(np.float32) / 255
    latent, switches = (np.asarray(part) if i == 0 else part for i, part in enumerate(autoencoder.encode(images)))

    assert found["images"] == 7
    for pool, one in zip(autoencoder.plan.switches, map(np.asarray, switches), strict=True):
        shares = [np.mean(one == cell) for cell in range(4)]
        by_place = np.stack([(one == cell).mean(axis=0) for cell in range(4)])
        bits = found["poolings"][pool.name]
        assert bits["at_most"] == 2 * one[0].size
        assert bits["entropy"] == pytest.approx(one[0].size * stats.entropy(shares, base=2))
        assert bits["entropy_given_place"] == pytest.approx(stats.entropy(by_place, base=2).sum())
    for key in ("at_most", "entropy", "entropy_given_place"):
        assert found["switches"][key] == pytest.approx(sum(one[key] for one in found["poolings"].values()))
    assert found["switches"]["entropy_given_place"] <= found["switches"]["entropy"] <= found["switches"]["at_most"]

    rows = latent.reshape(-1, latent.shape[-1])
    low, step = rows.min(0), (rows.max(0) - rows.min(0)) / 255
    levels = np.divide(latent - low, step, out=np.zeros_like(latent), where=step > 0).round()
    places = latent[0].size // latent.shape[-1]
    by_channel = [np.unique(channel, return_counts=True)[1] for channel in levels.reshape(rows.shape).T]
    code = found["code"]
    assert (code["values"], code["quantized"]) == (latent[0].size, 8 * latent[0].size)
    # A value half-way between two levels may fall to either.
    assert code["entropy"] == pytest.approx(sum(places * stats.entropy(n, base=2) for n in by_channel), rel=0.02)
    decoded = np.clip(autoencoder.decode((low + levels * step).astype(np.float32), switches), 0, 1)
    quantized = psnr_from_mse(mse_per_image(images, decoded)).numpy().mean()
    assert code["psnr"] == pytest.approx(quantized, abs=1e-3)
    assert code["psnr_loss"] == pytest.approx(psnr - quantized, abs=1e-3)
    assert found["total"] == pytest.approx(code["entropy"] + found["switches"]["entropy_given_place"])
    assert found["control"]["words"] in bits_in_words(found)


@pytest.mark.parametrize(("kind", "indices"), [("per_channel", "soft"), ("per_place", "hard")])
def test_bits_of_learned_indices_are_those_of_their_levels_or_of_their_places(kind, indices):
    encoder = {"downsampling": {"kind": "learned_indices", "indices": indices, "switches": kind}}
    autoencoder = build_autoencoder(plan_of("learned_indices", "none", **encoder), seed=2)
    pixels = make_images(7, 11, 8)
    found, _ = measure(autoencoder, pixels, batch_size=3)
    _, recorded = autoencoder.encode(pixels.astype(np.float32) / 255)

    for pool, one in zip(autoencoder.plan.switches, recorded, strict=True):
        padded = np.pad(one, [(0, 0), (0, one.shape[1] % 2), (0, one.shape[2] % 2), (0, 0)])
        cells = np.stack([padded[:, k // 2 :: 2, k % 2 :: 2] for k in range(4)])
        places, channels = cells[0, 0, ..., 0].size, cells.shape[-1]
        bits = found["poolings"][pool.name]
        if indices == "hard":
            counted = [np.mean(cell) for cell in cells]
            assert bits["at_most"] == 2 * places * channels
            assert bits["entropy"] == pytest.approx(places * channels * stats.entropy(counted, base=2))
        else:  # of four that sum to one, three
            rows = np.moveaxis((255 * cells[:3]).round(), -1, 1).reshape(3 * channels, -1)
            levels = [np.unique(row, return_counts=True)[1] for row in rows]
            assert bits["at_most"] == 3 * 32 * places * channels
            assert bits["entropy"] == pytest.approx(sum(places * stats.entropy(n, base=2) for n in levels), rel=0.02)
            assert bits["entropy"] < 3 * 8 * places * channels
        assert bits["entropy_given_place"] <= bits["entropy"]
    assert found["total"] == pytest.approx(found["code"]["entropy"] + found["switches"]["entropy_given_place"])


@pytest.mark.parametrize("upsampling", ["resize", {"kind": "max_unpool", "train_switches": "shuffled"}])
def test_without_switches_of_its_own_an_image_costs_its_code_alone(upsampling):
    autoencoder = build_autoencoder(plan_of(upsampling, "none"))
    found, _ = measure(autoencoder, make_images(4, 11, 8), batch_size=4)
    assert found["total"] == found["code"]["entropy"]
    assert "switches" not in found
    assert "control" not in found
    assert "side information" not in bits_in_words(found).lower()


def test_a_decoders_bits_are_means_over_its_seeds_with_a_control_of_as_many():
    plan = plan_of("max_unpool", {"kind": "dense", "units": 10})
    found = [
        {
            "images": 7,
            "total": total,
            "code": {"values": 10, "quantized": 80, "entropy": 60.0, "psnr": 20.0, "psnr_loss": 0.5},
            "switches": {"at_most": 400.0, "entropy": 2 * known, "entropy_given_place": known},
            "poolings": {},
            "control": {"words": "of one seed"},
        }
        for total, known in ((160.0, 100.0), (260.0, 200.0))
    ]
    means = mean_bits(found, plan)
    assert (means["total"], means["switches"]["entropy_given_place"], means["seeds"]) == (210.0, 150.0, 2)
    assert means["control"]["channels"] == 10 + 150 / 6  # 6 bits a value
    text = bits_in_words(means)
    assert "measured on 7 images, means over 2 seeds: 210 in all" in text
    assert "model.bottleneck.units=35" in text
    assert "over" not in bits_in_words(mean_bits(found[:1], plan)).partition(":")[0]
    assert mean_bits([found[0], {}], plan) == {}


@pytest.mark.parametrize("bottleneck", ["none", {"kind": "spatial", "channels": 3}, {"kind": "dense", "units": 9}])
def test_a_control_has_the_bits_of_code_and_switches_to_half_a_channel(bottleneck):
    plan = plan_of("max_unpool", bottleneck)
    control = match_bits(plan, switch_bits=97.0, bits_per_value=6.5)
    settings = dict(word.split("=") for word in control["words"].split())
    kind = settings["model.bottleneck.kind"]
    size = {"dense": "units", "spatial": "channels"}[kind]
    other = plan_of(settings["model.decoder.upsampling"], {"kind": kind, size: control["channels"]})
    assert settings[f"model.bottleneck.{size}"] == str(control["channels"])
    assert control["instead_of"] == plan.latent_shape[2]
    assert other.code.switch_bits == 0
    places = plan.latent_shape[0] * plan.latent_shape[1]
    assert abs(6.5 * (other.code.values - plan.code.values) - 97.0) <= 6.5 * places / 2
    assert match_bits(plan, 0.0, 6.5) is None


def test_bits_of_codes_that_are_not_finite_are_not_counted():
    plan = plan_of("resize", {"kind": "spatial", "channels": 2})
    meter = BitMeter(plan)
    meter.add(np.array([0.0, np.inf], np.float32).reshape(1, 1, 1, 2), [])
    assert meter.measure(None, None, 20.0) == {}
    assert bits_in_words({}) == ""
