"""What must hold between keys when images are concerned: their source, their parts and their size."""

from __future__ import annotations

from collections.abc import Iterator

from cae.config.data import AnyData, ArrayData, PictureData, StandardData
from cae.config.objective import MaskedPatchesCorruption
from cae.config.run import RunConfig
from cae.measures.catalogue import MS_SSIM_LEAST_SIDE
from cae.section import Conflict, Path

SOURCE: Path = ("data", "source")
PATH: Path = ("data", "path")
IMAGE_SIZE: Path = ("data", "image_size")

SIDES = {"bundled": 28, "mnist": 28, "fashion_mnist": 28, "cifar10": 32, "cifar100": 32}


def known_image_size(data: AnyData) -> tuple[int, int] | None:
    """Return height and width where the configuration alone tells them.

    >>> from cae.config.data import BundledData
    >>> known_image_size(BundledData())
    (28, 28)
    """
    if data.image_size is None and data.source in SIDES:
        return SIDES[data.source], SIDES[data.source]
    return data.image_size


def source_conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield what is at odds with the source: a path that it lacks, or keys that it does not look at."""
    data = config.data
    brings_test_part = data.source == "bundled" or isinstance(data, StandardData)
    if data.source == "bundled" and data.path is not None:
        yield (PATH, SOURCE), "path has no effect with source: bundled"
    if not brings_test_part and data.path is None:
        yield (SOURCE, PATH), f"source: {data.source} needs a path"
    if brings_test_part and data.validation_path is not None:
        yield (("data", "validation_path"), SOURCE), f"validation_path has no effect with source: {data.source}"
    for part in ("validation", "test"):
        path, array, fraction = f"{part}_path", f"{part}_array", f"{part}_fraction"
        given = next((key for key in (path, array) if getattr(data, key, None)), None)
        if part == "test" and brings_test_part:
            given = f"source: {data.source}, which has a test part of its own"
            if data.test_path is not None:
                yield (("data", path), SOURCE), f"test_path has no effect with {given}"
        if given and getattr(data, fraction) != AnyData.model_fields[fraction].default:
            paths: tuple[Path, ...] = (("data", fraction), SOURCE, ("data", path), ("data", array))
            yield paths, f"{fraction} has no effect with {given}"


def array_conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield names of arrays where there are no names."""
    data = config.data
    if not isinstance(data, ArrayData):
        return
    for array, path in (("validation_array", "validation_path"), ("test_array", "test_path")):
        if getattr(data, array) is not None and getattr(data, path) is not None:
            yield (("data", array), ("data", path)), f"give {array} or {path}, not both"
    if data.path is not None and data.path.lower().endswith(".npy"):
        for key in ("array", "validation_array", "test_array"):
            if getattr(data, key) is not None:
                yield (("data", key), PATH), f"{key} has no effect with a .npy file, which holds one array"


def fit_conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield ways to fit pictures that lack a size, or that they do not concern."""
    data = config.data
    if not isinstance(data, PictureData):
        return
    if data.fit != "stretch" and data.image_size is None:
        yield (("data", "fit"), IMAGE_SIZE), f"fit: {data.fit} needs an image_size"
    if data.random_patches and data.fit != "patch":
        yield (("data", "random_patches"), ("data", "fit")), f"random_patches needs fit: patch; received {data.fit}"


def size_conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield what does not fit into the images, as far as their size is known."""
    size = known_image_size(config.data)
    if size is None:
        return
    side, shown = min(size), f"images of {size[0]}x{size[1]} pixels"
    if "ms_ssim" in config.objective.reconstruction.weights and side < MS_SSIM_LEAST_SIDE:
        path: Path = ("objective", "reconstruction", "ms_ssim")
        rule = f"ms_ssim needs at least {MS_SSIM_LEAST_SIDE} pixels a side"
        yield (path, IMAGE_SIZE, SOURCE), f"{rule}; received {shown}"
    corruption = config.objective.corruption
    if isinstance(corruption, MaskedPatchesCorruption) and corruption.patch_size > side:
        path = ("objective", "corruption", "patch_size")
        rule = "a masked patch must not be larger than the image"
        yield (path, IMAGE_SIZE, SOURCE), f"{rule}; received patch_size: {corruption.patch_size} for {shown}"
    shift = config.data.augmentation.random_crop
    if shift >= side:
        path = ("data", "augmentation", "random_crop")
        rule = "random_crop must be less than the image's sides"
        yield (path, IMAGE_SIZE, SOURCE), f"{rule}; received {shift} for {shown}"
