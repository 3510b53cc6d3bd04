"""The `data` section: which images, their size, and how they are split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field

from cae.errors import ConfigError
from cae.section import MOST, Choice, Fraction, Height_Width, NotBool, PositiveInt, Section, says

PATH_KEYS = ("path", "validation_path", "test_path")
"""Keys of the `data` section that say where images lie."""

STANDARD_SHAPES = {
    "bundled": (28, 28, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
}
"""(height, width, channels) of the public data sets, by `data.source`."""

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CLASS_NAMES = {
    "bundled": _FASHION,
    "fashion_mnist": _FASHION,
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
"""What the labels from 0 on mean, of public data sets whose files do not say it."""

Channels = Annotated[Literal[1, 3], NotBool]
FilePath = Annotated[str, Field(min_length=1), says("the path of a file or folder")]
Classes = Annotated[
    tuple[Annotated[int, Field(ge=0), NotBool] | Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1, strict=False),
    says("a list of names of class folders, or of labels from 0"),
]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("the second number must be larger than the first")
    return pair


_Number = Annotated[float, NotBool]
ValueRange = Annotated[
    Literal["type", "observed"] | Annotated[tuple[_Number, _Number], Field(strict=False), AfterValidator(_rising)],
    says("type, observed, or a list of two numbers, [low, high], the first below the second"),
]
Byte = Annotated[int, Field(ge=0, le=255)]
Rgb = Annotated[
    tuple[Byte, Byte, Byte], Field(strict=False), says("a list of three integers from 0 to 255, [red, green, blue]")
]


class Augmentation(Section):
    """Random changes of training images; validation and test images are never changed."""

    horizontal_flip: bool = False
    """Mirror half of the images left to right."""
    vertical_flip: bool = False
    """Mirror half of the images top to bottom."""
    diagonal_flip: bool = False
    """Swap rows and columns of half of the images, which must be square; with both others, all eight positions."""
    random_crop: Annotated[int, Field(ge=0, le=MOST)] = 0
    """Shift each image by up to this many pixels either way; what comes in at the borders is mirrored."""


class AnyData(Section):
    """Keys that every source has."""

    source: str
    """Where the images come from."""
    path: FilePath | None = None
    """File or folder; relative to the configuration file."""
    image_size: Height_Width | None = None
    """Height and width in pixels; null keeps the source's own size."""
    channels: Channels | None = None
    """1 for gray, 3 for RGB; null keeps the source's own."""
    validation_fraction: Fraction = 0.1
    """Share of the training part that is held out for validation, only when the source has no validation part."""
    validation_path: FilePath | None = None
    """A separate validation file or folder; relative to the configuration file."""
    test_path: FilePath | None = None
    """A separate test file or folder; relative to the configuration file."""
    test_fraction: Fraction = 0.1
    """Held out first, only when the source has no test part."""
    classes: Classes | None = None
    """Keep images of these classes only, in every part: names of class folders, or labels; null keeps all."""
    augmentation: Augmentation = Augmentation()
    """Random changes of training images."""

    @property
    def own_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of a public data set's images; None of other sources."""
        return STANDARD_SHAPES.get(self.source)

    @property
    def required_path(self) -> Path:
        """The path, of a source that needs one.

        Raises:
            ConfigError: it is not given.
        """
        if self.path is None:
            raise ConfigError("`data.path` must be given for this source. Received: null.")
        return Path(self.path)

    @property
    def given_parts(self) -> dict[str, Path]:
        """The paths of parts that are named beside the source's own: of `validation` and `test`."""
        named = {"validation": self.validation_path, "test": self.test_path}
        return {part: Path(path) for part, path in named.items() if path is not None}


class BundledData(AnyData):
    """The images that come with this program."""

    source: Literal["bundled"] = "bundled"
    """Fashion-MNIST, 28x28, gray: 5,000 training and 1,000 test images."""


class StandardData(AnyData):
    """A public data set, found on this machine or downloaded."""

    source: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"]
    """Looked for in `path`, in Debian's data set folder and in the Keras cache, then downloaded."""


class StoredData(AnyData):
    """Images whose values may be stored on any scale."""

    value_range: ValueRange = "type"
    """Stored values that become 0 and 1: [low, high], what their type can hold, or what training images have."""


class PictureData(StoredData):
    """Encoded pictures, decoded when they are needed."""

    fit: Literal["stretch", "crop", "patch"] = "stretch"
    """To `image_size`: stretch both sides, or scale and crop the middle, or cut a patch without scaling."""
    random_patches: bool = False
    """With `fit: patch`, cut each training patch at a random place; others keep their place."""
    patches: PositiveInt = 1
    """With `fit: patch`, how many patches each picture gives: one from its middle, or as many, spread evenly."""
    background: Rgb = (255, 255, 255)
    """Red, green and blue behind transparent pixels."""
    max_pixels: PositiveInt = 100_000_000
    """Pictures with more pixels than this are refused before they are decoded."""
    on_bad_image: Literal["error", "skip"] = "error"
    """Stop at pictures that cannot be read, or leave them out and count them in summary.json."""
    cache: Literal["none", "memory", "disk"] = "none"
    """`memory` keeps decoded, resized pixels; `disk` also for later runs, in $XDG_CACHE_HOME/cae or ~/.cache/cae."""

    @property
    def keeps_pictures(self) -> bool:
        """Whether patches are cut at many places, so that whole pictures must be kept."""
        return self.random_patches or self.patches > 1


class ImageFolderData(PictureData):
    """Image files in a folder, nested as deep as you like."""

    source: Literal["image_folder"] = "image_folder"
    """PNG, JPEG, BMP, GIF and WebP files; sub-folders such as train/, val/ and test/ are taken as the parts."""
    channels: Channels = 3
    """1 for gray, 3 for RGB."""


class TfrecordData(PictureData):
    """A folder of TFRecord shards, for millions of images."""

    source: Literal["tfrecord"] = "tfrecord"
    """A folder that `python -m cae prepare` has written."""


class ArrayData(StoredData):
    """An array file of images."""

    source: Literal["arrays"] = "arrays"
    """A .npy, .npz or .h5 file with shape (images, height, width[, 1 or 3]); (height, width, 1 or 3) is one image."""
    array: str | None = None
    """Name inside an .npz or .h5 file; null takes x_train, train, images, or the only one."""
    test_array: str | None = None
    """Name of the test part inside the same file; null takes x_test or test where there is one."""
    validation_array: str | None = None
    """Name of the validation part inside the same file; null takes x_val or the like where there is one."""


class IdxData(StoredData):
    """An IDX file of images."""

    source: Literal["idx"] = "idx"
    """A file in MNIST's format, plain or .gz."""


class GivenImages(Section):
    """What is known of images that a Python program handed over."""

    shape: Annotated[tuple[PositiveInt, ...], Field(max_length=4, strict=False)] = ()
    """Of the array: (images, height, width[, channels])."""
    dtype: str = "uint8"
    """Type of the values."""
    sha256: str = ""
    """Of the values, image after image."""
    labels_sha256: str | None = None
    """Of the labels, as 64-bit integers, where there are any."""


class MemoryData(StoredData):
    """Images that a Python program hands over."""

    source: Literal["memory"] = "memory"
    """Images that a Python program hands over: `cae.train(config, images=...)`, which fills in the keys below."""
    images: GivenImages | None = None
    """What was given for training."""
    validation_images: GivenImages | None = None
    """What was given for validation; null holds a share of the training images out."""
    test_images: GivenImages | None = None
    """What was given for tests; null holds a share of the training images out."""

    @property
    def required_images(self) -> GivenImages:
        """What was given for training.

        Raises:
            ConfigError: nothing was.
        """
        if self.images is None:
            raise ConfigError("`data.source: memory` needs a Python program: cae.train(config, images=...).")
        return self.images


class OwnData(StoredData):
    """Images of a function that a program or a package has registered."""

    options: dict[str, Any] = {}  # noqa: RUF012, since pydantic copies it
    """Keyword arguments of the function."""

    part: ClassVar[Any]
    """The function."""


BuiltInData = BundledData | StandardData | ImageFolderData | ArrayData | IdxData | TfrecordData | MemoryData
SOURCES: list[type[AnyData]] = list(get_args(BuiltInData))
"""What a configuration chooses from."""
DataSection = Annotated[BuiltInData, Choice("source", default="bundled", sections=SOURCES)]
