"""Pixel AUROC and per-region overlap, held against scikit-learn and the definitions."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from cae.anomaly.localization import Masks, PixelMeter, find_masks
from cae.errors import UserError


def measured(maps, masks):
    meter = PixelMeter()
    for errors, mask in zip(maps, masks, strict=True):
        meter.add(errors, mask)
    return meter.result()


def overlap_by_definition(maps, masks, regions, most=0.3):
    """The paper's: at every threshold, the mean over regions of the share above it; the area up to a rate, over it."""
    thresholds = [np.inf, *sorted({value for one in maps for value in one.ravel()}, reverse=True)]
    rates, overlaps = [], []
    for threshold in thresholds:
        above = [one >= threshold for one in maps]
        rates.append(np.mean(np.concatenate([a[~m] for a, m in zip(above, masks, strict=True)])))
        overlaps.append(np.mean([np.mean(above[image][region]) for image, region in regions]))
    fine = np.linspace(0, most, 200_001)
    return np.interp(fine, rates, overlaps).mean()


def test_pixel_auroc_is_that_of_all_pixels_together():
    generator = np.random.default_rng(0)
    masks = generator.random((5, 12, 9)) < 0.2
    # Powers of two and their halves: few values, so that many are ties, which count half.
    maps = (2.0 ** generator.integers(-6, 3, masks.shape) * (1 + 0.5 * masks)).astype(np.float32)
    expected = roc_auc_score(masks.ravel(), maps.ravel())
    assert measured(maps, masks)["pixel_auroc"] == pytest.approx(expected, abs=1e-12)
    signed = maps - 2  # a distance or a log-likelihood may be negative
    assert measured(signed, masks)["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), signed.ravel()))
    fine = generator.random(masks.shape).astype(np.float32)
    assert measured(fine, masks)["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), fine.ravel()), abs=1e-3)


def test_every_region_counts_alike_however_small_it_is():
    masks = np.zeros((3, 10, 10), bool)  # the third has no defect
    masks[0, :6, :6] = True
    masks[0, 8, 8] = masks[0, 9, 9] = True  # touch at a corner: one region
    masks[1, 4, 2:5] = True
    corner = np.zeros((10, 10), bool)
    corner[8, 8] = corner[9, 9] = True
    regions = [(0, masks[0] & ~corner), (0, corner), (1, masks[1])]
    generator = np.random.default_rng(1)
    maps = (generator.integers(0, 40, masks.shape) / 64 + 0.25 * masks).astype(np.float32)
    found = measured(maps, masks)
    assert found["regions"] == 3
    assert found["pro"] == pytest.approx(overlap_by_definition(maps, masks, regions), abs=1e-4)


@pytest.mark.parametrize(("errors", "share"), [([0.9, 0.8, 0.1, 0.2], 1.0), ([0.1, 0.1, 0.9, 0.8], 0.0)])
def test_a_perfect_map_has_an_overlap_of_one_and_the_opposite_none(errors, share):
    found = measured([np.array([errors], np.float32)], [np.array([[True, True, False, False]])])
    assert (found["pro"], found["pixel_auroc"]) == (pytest.approx(share), share)


def test_masks_that_mark_nothing_are_told():
    with pytest.raises(UserError, match="Received: 0 pixels that are marked and 4 that are not"):
        measured(np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2), bool))


@pytest.fixture
def mvtec(tmp_path):
    """MVTec's folders, and what their images are called."""
    for name in ("test/good/000.png", "test/crack/000.png", "test/crack/001.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4)).save(tmp_path / name)
    for number in ("000", "001"):
        mask = Image.new("L", (6, 4))
        mask.putpixel((5, 1), 255)
        (tmp_path / "ground_truth" / "crack").mkdir(parents=True, exist_ok=True)
        mask.save(tmp_path / "ground_truth" / "crack" / f"{number}_mask.png")
    return tmp_path


def test_ground_truth_is_found_beside_the_test_images_and_beside_one_kind_of_them(mvtec):
    assert find_masks(mvtec / "test") == mvtec / "ground_truth"
    assert find_masks(mvtec / "test" / "crack") == mvtec / "ground_truth" / "crack"
    assert find_masks(mvtec / "test" / "good") is None
    masks = Masks(
        mvtec / "ground_truth", ["crack/000.png", "crack/001.png", "good/000.png"], ["crack", "crack", "good"]
    )
    assert masks.number == 2
    assert np.argwhere(masks.read(1, (4, 6))).tolist() == [[1, 5]]
    assert not masks.read(2, (4, 6)).any()


def test_an_image_with_a_defect_and_no_mask_is_told_and_so_is_a_mask_of_another_size(mvtec):
    with pytest.raises(UserError, match=r"Received none for 1 of 2: hole/000\.png"):
        Masks(mvtec / "ground_truth", ["crack/000.png", "hole/000.png"], ["crack", "hole"])
    Masks(mvtec / "ground_truth", ["crack/000.png", "hole/000.png"], ["crack", "hole"], normal=["hole"])
    with pytest.raises(UserError, match=r"size of its image, 6x6\. Received: 4x6"):
        Masks(mvtec / "ground_truth" / "crack", ["000.png"]).read(0, (6, 6))
