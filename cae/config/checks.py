"""Rules between keys: what an image source, a kind of layer or an objective needs of other keys, and excludes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cae.config.data import AnyData, ArrayData, MemoryData, OwnData, PictureData, StandardData
from cae.config.model import DecoderSection, EncoderSection, ModelSection
from cae.config.objective import MS_SSIM_LEAST_SIDE, MaskedPatchesCorruption, ObjectiveSection
from cae.config.run import RunConfig, why_not_a_folder
from cae.config.training import CosineSchedule, PlateauSchedule, Sgd
from cae.kinds.catalogue import DOWNSAMPLINGS, LINEAR_PATHS, UPSAMPLINGS
from cae.kinds.downsampling import DownsamplingKind
from cae.kinds.upsampling import DECODER_FILTERS, DOWNSAMPLING, FILTERS, TIED, Place, UpsamplingKind
from cae.section import Conflict, Path

SOURCE: Path = ("data", "source")
PATH: Path = ("data", "path")
IMAGE_SIZE: Path = ("data", "image_size")


def known_image_size(data: AnyData) -> tuple[int, int] | None:
    """Return height and width where the configuration alone tells them.

    >>> from cae.config.data import BundledData
    >>> known_image_size(BundledData())
    (28, 28)
    """
    return data.image_size or (data.own_shape[:2] if data.own_shape else None)


def source_conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield conflicts with the source: a missing path, or keys that it does not use."""
    data = config.data
    brings_test_part = data.source == "bundled" or isinstance(data, StandardData)
    if data.source == "bundled" and data.path is not None:
        yield (PATH, SOURCE), "path has no effect with source: bundled"
    if isinstance(data, MemoryData):
        if data.images is None:
            yield (SOURCE,), "source: memory needs a Python program, cae.train(config, images=...)"
        for key in ("path", "validation_path", "test_path"):
            if getattr(data, key) is not None:
                yield (("data", key), SOURCE), f"{key} has no effect with source: memory"
    elif not brings_test_part and data.path is None and not isinstance(data, OwnData):
        yield (SOURCE, PATH), f"source: {data.source} needs a path"
    if brings_test_part and data.validation_path is not None:
        yield (("data", "validation_path"), SOURCE), f"validation_path has no effect with source: {data.source}"
    for part in ("validation", "test"):
        path, array, fraction = f"{part}_path", f"{part}_array", f"{part}_fraction"
        given = next((key for key in (path, array, f"{part}_images") if getattr(data, key, None)), None)
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
    if data.patches > 1 and data.fit != "patch":
        yield (("data", "patches"), ("data", "fit")), f"patches: {data.patches} needs fit: patch; received {data.fit}"


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
    if config.data.augmentation.diagonal_flip and size[0] != size[1]:
        path = ("data", "augmentation", "diagonal_flip")
        yield (path, IMAGE_SIZE, SOURCE), f"diagonal_flip needs square images; received {shown}"
    shift = config.data.augmentation.random_crop
    if shift >= side:
        path = ("data", "augmentation", "random_crop")
        rule = "random_crop must be less than the image's sides"
        yield (path, IMAGE_SIZE, SOURCE), f"{rule}; received {shift} for {shown}"


UPSAMPLING: Path = ("model", "decoder", "upsampling")
OUTPUT: Path = ("model", "decoder", "output_activation")
CODE_FILTERS: Path = ("model", "encoder", "code_filters")
RESIDUAL_STYLE: Path = ("model", "encoder", "residual_style")
CONVS: Path = ("model", "encoder", "convs_per_stage")
DECODER_CONVS: Path = ("model", "decoder", "convs_per_stage")
SHORTCUT: Path = ("model", "encoder", "shortcut")
DECODER_SHORTCUT: Path = ("model", "decoder", "shortcut")
DECODER_RESIDUAL: Path = ("model", "decoder", "residual_blocks")
LINEAR_PATH: Path = ("model", "linear_path")
INIT: Path = ("model", "init")
KERAS: Path = ("model", "encoder", "keras")
BOTTLENECK: Path = ("model", "bottleneck")
RECONSTRUCTION: Path = ("objective", "reconstruction")
HUBER_DELTA: Path = ("objective", "huber_delta")
EPOCHS: Path = ("training", "epochs")
STEPS: Path = ("training", "steps")
WARMUP: Path = ("training", "schedule", "warmup_epochs")
PATIENCE: Path = ("training", "schedule", "patience")
LOWEST_RATE: Path = ("training", "schedule", "min_learning_rate")
NESTEROV: Path = ("training", "optimizer", "nesterov")


def conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield every disagreement between keys.

    A key that has no effect beside the others is one, too, unless it has its default value: a configuration
    may state everything, as the one in a run directory does.

    >>> config = RunConfig.model_validate({"model": {"encoder": {"downsampling": "average_pool"},
    ...                                              "decoder": {"upsampling": "max_unpool"}}})
    >>> [message for paths, message in conflicts(config)]
    ['max_unpool needs max_pool downsampling, which records the switches; received average_pool']
    """
    for check in _CHECKS:
        yield from check(config)


def _names(config: RunConfig) -> Iterator[Conflict]:
    for key in ("experiment", "name"):
        name = getattr(config, key)
        if reason := why_not_a_folder(name):
            yield ((key,),), f"must be another; {name} {reason}"


def _upsampling(config: RunConfig) -> Iterator[Conflict]:
    model, upsampling = config.model, config.model.decoder.upsampling
    num_stages = len(model.encoder.filters)
    for key, convs in ((CONVS, model.encoder.convs), (DECODER_CONVS, model.decoder_convs)):
        if len(convs) != num_stages and not (key == DECODER_CONVS and model.decoder.convs_per_stage is None):
            rule = f"the list needs one number for each stage, and model.encoder.filters has {num_stages}"
            yield (key, FILTERS), f"{rule}; received {len(convs)}"
    if len(model.decoder_outputs) != num_stages:
        rule = f"needs one number for each stage, and model.encoder.filters has {num_stages}"
        yield (DECODER_FILTERS, FILTERS), f"{rule}; received {len(model.decoder_outputs)}"
        return
    if isinstance(upsampling, tuple) and len(upsampling) != num_stages:
        rule = f"the list needs one kind for each stage, and model.encoder.filters has {num_stages}"
        yield (UPSAMPLING, FILTERS), f"{rule}; received {len(upsampling)}"
    for kind, place in _places(model):
        yield from kind.conflicts(place)
        wanted = kind.switches_wanted
        if wanted is not None and wanted.shuffled and config.training.batch_size == 1:
            rule = "train_switches: shuffled takes the switches of another image of the batch"
            yield (place.path, ("training", "batch_size")), f"{rule}; received batch_size: 1"


def _places(model: ModelSection) -> Iterator[tuple[UpsamplingKind, Place]]:
    """Each upsampling that is chosen, with the stages that it serves, counted from the code outwards."""
    upsampling, pooled = model.decoder.upsampling, model.encoder.filters[::-1]
    if not isinstance(upsampling, tuple):
        yield upsampling, Place(UPSAMPLING, model.encoder, model.decoder_inputs, pooled)
        return
    for stage, kind in enumerate(upsampling):
        here = slice(stage, stage + 1)
        yield kind, Place((*UPSAMPLING, stage), model.encoder, model.decoder_inputs[here], pooled[here])


def _normalization(config: RunConfig) -> Iterator[Conflict]:
    encoder, decoder = config.model.encoder, config.model.decoder
    widths = {FILTERS: encoder.filters, DECODER_FILTERS: decoder.filters or ()}
    is_normalized_at_code = config.model.bottleneck.kind != "none" or encoder.residual_blocks_at_code
    if encoder.code_filters is not None and is_normalized_at_code:
        widths[CODE_FILTERS] = (encoder.code_filters,)
    yield from encoder.normalization.conflicts(widths)


def _without_effect(config: RunConfig) -> Iterator[Conflict]:
    encoder, decoder = config.model.encoder, config.model.decoder
    if encoder.shortcut != "none" and encoder.convs == (1,):
        rule = "has no effect on a single stage of one convolution, which makes features of the image's own channels"
        yield (SHORTCUT, FILTERS, CONVS), f"{rule}; received {encoder.shortcut}"
    has_blocks = encoder.residual_blocks or encoder.residual_blocks_at_code or decoder.residual_blocks
    if encoder.residual_style != EncoderSection().residual_style and not (has_blocks or decoder.tied_weights):
        yield (RESIDUAL_STYLE,), f"has no effect without residual_blocks; received {encoder.residual_style}"


def _objective(config: RunConfig) -> Iterator[Conflict]:
    objective, activation = config.objective, config.model.decoder.output_activation
    weights = objective.reconstruction.weights
    if objective.loss is not None and objective.reconstruction != ObjectiveSection().reconstruction:
        yield (RECONSTRUCTION, ("objective", "loss")), "reconstruction has no effect with objective.loss"
    if not weights:
        yield (RECONSTRUCTION,), "at least one weight must be above 0, or the output is not tied to the image"
    if "bce" in weights and activation != "sigmoid" and config.model.decoder.keras is None:
        rule = "bce needs output_activation: sigmoid, since it takes pixels as probabilities"
        yield ((*RECONSTRUCTION, "bce"), OUTPUT), f"{rule}; received {activation}"
    if objective.huber_delta is not None and "huber" not in weights:
        yield (HUBER_DELTA, (*RECONSTRUCTION, "huber")), "huber_delta has no effect without a weight for huber"


def _training(config: RunConfig) -> Iterator[Conflict]:
    schedule, optimizer, epochs = config.training.schedule, config.training.optimizer, config.training.epochs
    if epochs != "auto" and config.training.steps is not None:
        rule = "only one of epochs and steps can count: leave epochs away, or set it to auto"
        yield (STEPS, EPOCHS), f"{rule}; received epochs: {epochs} and steps: {config.training.steps}"
    if isinstance(schedule, CosineSchedule) and epochs != "auto" and schedule.warmup_epochs > epochs:
        rule = f"warmup_epochs must be at most training.epochs, which is {epochs}"
        yield (WARMUP, EPOCHS), f"{rule}; received {schedule.warmup_epochs:g}"
    if config.training.precision == "auto" and config.training.strategy == "multi_worker":
        rule = "auto is decided by one process: state a precision with strategy: multi_worker"
        yield (("training", "precision"), ("training", "strategy")), rule
    if isinstance(schedule, PlateauSchedule):
        stopping, rate = config.training.early_stopping, optimizer.learning_rate
        if stopping is not None and schedule.patience >= stopping.patience:
            rule = f"must be below that of early_stopping, {stopping.patience}, or training ends before the rate falls"
            yield (PATIENCE, ("training", "early_stopping", "patience")), f"{rule}; received {schedule.patience}"
        if schedule.min_learning_rate >= rate:
            rule = f"must be below the optimizer's learning_rate, which is {rate:g}"
            path: Path = ("training", "optimizer", "learning_rate")
            yield (LOWEST_RATE, path), f"{rule}; received {schedule.min_learning_rate:g}"
    if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
        momentum: Path = ("training", "optimizer", "momentum")
        yield (NESTEROV, momentum), "nesterov: true needs a momentum above 0"


def _tied_weights(config: RunConfig) -> Iterator[Conflict]:
    model = config.model
    if not model.decoder.tied_weights:
        return
    for kind, place in _places(model):
        if not kind.can_be_tied:
            rule = f"tied_weights needs {_those_tied(UPSAMPLINGS)}, whose kernels can be the encoder's"
            yield (place.path, TIED), f"{rule}; received {kind.kind}"
        yield from kind.tied_conflicts(place)
    encoder = model.encoder
    if not encoder.downsampling.can_be_tied:
        rule = f"tied_weights needs {_those_tied(DOWNSAMPLINGS)}"
        yield (DOWNSAMPLING, TIED), f"{rule}; received {encoder.downsampling.kind}"
    if encoder.code_filters is not None:
        yield (CODE_FILTERS, TIED), "must be null with tied_weights, whose stages begin with the encoder's channels"
    if encoder.residual_style != "post_activation":
        rule = "tied_weights needs residual_style: post_activation, whose blocks can be read the other way"
        yield (RESIDUAL_STYLE, TIED), f"{rule}; received {encoder.residual_style}"
    if model.decoder.convs_per_stage is not None:
        yield (DECODER_CONVS, TIED), "has no effect with tied_weights, which takes the encoder's kernels"
    for key, shortcut in ((SHORTCUT, encoder.shortcut), (DECODER_SHORTCUT, model.decoder.shortcut)):
        if shortcut != "none":
            yield (key, TIED), f"tied_weights needs shortcut: none; received {shortcut}"
    if model.decoder.residual_blocks is not None:
        yield (DECODER_RESIDUAL, TIED), "has no effect with tied_weights, which takes the encoder's kernels"
    if model.decoder.filters is not None:
        yield (DECODER_FILTERS, TIED), "has no effect with tied_weights, which takes the encoder's kernels"


def _own_models(config: RunConfig) -> Iterator[Conflict]:
    """Yield what a model of your own takes the place of, and what needs layers that nobody knows in it."""
    encoder, decoder = config.model.encoder, config.model.decoder
    if encoder.keras is not None:
        for kind, place in _places(config.model):
            if kind.switches_wanted is not None and decoder.keras is None:
                rule = f"{kind.kind} needs the switches of the encoder's poolings, and one of your own records none"
                yield (place.path, KERAS), f"{rule}; received {encoder.keras.name}"
        for key in ("downsampling", "dropout", "shortcut", "stem"):
            yield from _replaced(("model", "encoder"), encoder, key)
    if decoder.keras is not None:
        for key in type(decoder).model_fields:
            yield from _replaced(("model", "decoder"), decoder, key)
    if encoder.keras is None and decoder.keras is None:
        return
    own = "an encoder of your own" if encoder.keras is not None else "a decoder of your own"
    if decoder.tied_weights and encoder.keras is not None:
        yield (TIED, KERAS), f"tied_weights needs the kernels of the encoder's stages; received {own}"
    if config.model.linear_path.bottlenecks:
        rule = f"{config.model.linear_path.kind} needs last layers that can start at zero"
        yield (LINEAR_PATH,), f"{rule}; received {own}"


def _replaced(path: Path, section: EncoderSection | DecoderSection, key: str) -> Iterator[Conflict]:
    if key != "keras" and getattr(section, key) != type(section).model_fields[key].default:
        assert section.keras is not None
        yield ((*path, key), (*path, "keras")), f"{key} has no effect with a model of your own, {section.keras.name}"


def _those_tied(kinds: Sequence[type[UpsamplingKind | DownsamplingKind]]) -> str:
    *others, last = (kind.model_fields["kind"].default for kind in kinds if kind.can_be_tied)
    return f"{', '.join(others)} or {last}"


def _linear_path(config: RunConfig) -> Iterator[Conflict]:
    model, path = config.model, config.model.linear_path
    if model.init not in ("random", path.init):
        needed = next(kind.model_fields["kind"].default for kind in LINEAR_PATHS if kind.init == model.init)
        rule = f"{model.init} needs model.linear_path: {needed}, whose maps it sets"
        yield (INIT, LINEAR_PATH), f"{rule}; received {path.kind}"
    if model.init != "random" and config.training.start_from is not None:
        yield (INIT, ("training", "start_from")), f"{model.init} has no effect with start_from, which has all weights"
    if not path.bottlenecks:  # there is none
        return
    if model.bottleneck.kind not in path.bottlenecks:
        rule = f"{path.kind} needs model.bottleneck: {' or '.join(path.bottlenecks)}, whose last layer starts at zero"
        yield (LINEAR_PATH, BOTTLENECK), f"{rule}; received {model.bottleneck.kind}"
    if model.decoder.output_activation != "linear":
        rule = f"{path.kind} needs model.decoder.output_activation: linear, so that the sum is the reconstruction"
        yield (LINEAR_PATH, OUTPUT), f"{rule}; received {model.decoder.output_activation}"
    if model.decoder.tied_weights:
        rule = "needs a last layer that can start at zero; with tied_weights it has the encoder's kernel"
        yield (LINEAR_PATH, TIED), rule


def _match(config: RunConfig) -> Iterator[Conflict]:
    if config.match != "none":  # a grid's combinations come here without it
        yield (("match",),), "match has no effect without a grid, whose models it makes alike"
    if config.tune.values:
        yield (("tune",),), "tune has no effect without a grid, whose decoders it tunes"


_CHECKS: tuple[Callable[[RunConfig], Iterator[Conflict]], ...] = (
    _names,
    source_conflicts,
    array_conflicts,
    fit_conflicts,
    size_conflicts,
    _upsampling,
    _tied_weights,
    _own_models,
    _linear_path,
    _normalization,
    _without_effect,
    _objective,
    _training,
    _match,
)
