"""How near an export's outputs come to the run's own, and whether that is near enough."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from cae.config.data import BundledData
from cae.data.load import load_splits
from cae.data.pixels import to_float
from cae.errors import UserError, first_line
from cae.exporting.parts import Part, make_part
from cae.exporting.runtimes import LOADERS, serve_twice
from cae.kinds.downsampling import IndexedPooling
from cae.kinds.operations import Pool
from cae.layers.indices import window_sums
from cae.layers.switches import gather
from cae.measures.per_image import PSNR_CAP
from cae.messages import number_of

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits


# Of the largest value, where that is above 1: float32 keeps 7 digits.
FLOAT_TOLERANCE = 1e-4
# Of 8-bit weights. 30 dB is an error of 3% of the output's range.
LEAST_PSNR = 30.0
MOST_SWITCHES = 0.05


@dataclass(frozen=True)
class Agreement:
    """What a comparison of one output has found.

    Args:
        output: its name.
        largest: largest absolute difference; of switches, between the values they choose.
        is_within: whether it is tolerated.
        sentence: what was found and what is tolerated.
    """

    output: str
    largest: float
    is_within: bool
    sentence: str

    def __str__(self) -> str:
        return f"{self.output}: {self.sentence}"


def compare_floats(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare float outputs, each value of which may be off by 1e-4.

    Example:
        >>> print(compare_floats("latent", np.array([0.0, 50.0]), np.array([0.0, 50.01])))
        latent: largest difference 1.0e-02, tolerated 5.0e-03

    Args:
        output: its name.
        expected: the run's own; where values are above 1, the tolerance is 1e-4 of the largest.
        found: the export's.
    """
    largest = _largest_difference(expected, found)
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    sentence = f"largest difference {largest:.1e}, tolerated {tolerance:.1e}"
    return Agreement(output, largest, largest <= tolerance, sentence)


def compare_quantized(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare float outputs of a model with 8-bit weights: PSNR, with the range of the run's output as its peak.

    Example:
        >>> print(compare_quantized("reconstructions", np.array([0.0, 1.0]), np.array([0.1, 0.9])))
        reconstructions: PSNR 20.0 dB, tolerated from 30 dB (mean difference 1.0e-01, largest 1.0e-01)
    """
    difference = np.abs(expected.astype(np.float64) - found)
    mse, peak = float(np.mean(difference**2)), float(np.ptp(expected)) or 1.0
    psnr = PSNR_CAP if mse == 0 else float(np.minimum(PSNR_CAP, 10 * np.log10(peak**2 / mse)))  # NaN stays one
    sentence = (
        f"PSNR {psnr:.1f} dB, tolerated from {LEAST_PSNR:.0f} dB (mean difference {difference.mean():.1e},"
        f" largest {difference.max():.1e})"
    )
    return Agreement(output, float(difference.max()), psnr >= LEAST_PSNR, sentence)


def compare_switches(
    output: str, expected: np.ndarray, found: np.ndarray, values_at: Callable[[np.ndarray], np.ndarray]
) -> Agreement:
    """Compare switches by the values they choose.

    Where two values of a window are equal up to rounding, either may be its maximum: another order of additions
    decides. A switch is wrong when what it chooses is not the maximum.

    Args:
        output: its name.
        expected: the run's own.
        found: the export's.
        values_at: the values, of those that were pooled, at switches.
    """
    compared = compare_floats(output, values_at(expected), values_at(found))
    number = int(np.sum(expected != found))
    sentence = f"{number:,} of {expected.size:,} differ"
    if number:
        sentence += f"; their values: {compared.sentence}"
    return Agreement(output, compared.largest, compared.is_within, sentence)


def compare_quantized_switches(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare switches of a model with 8-bit weights: at most 5% may differ."""
    share = float(np.mean(expected != found))
    sentence = f"{share:.2%} differ, tolerated up to {MOST_SWITCHES:.0%}"
    return Agreement(output, share, share <= MOST_SWITCHES, sentence)


def _largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    difference = np.abs(expected.astype(np.float64) - found)
    return float(np.where(np.isnan(difference), np.inf, difference).max())


_MOST_IMAGES = 32
_MOST_PIXELS = 2**21


def choose_images(
    section: DataSection,
    image_shape: tuple[int, int, int],
    load: Callable[[DataSection], Splits],
    *,
    must_be_own: bool = False,
) -> tuple[np.ndarray, str]:
    """Take images, evenly spread over the run's test part, or its validation part where it has no other.

    Where they cannot be had, as on another machine, images that come with the program, brought to the run's shape,
    take their place.

    Args:
        section: the run's `data` section.
        image_shape: (height, width, channels) that the run was trained on.
        load: finds the images of a section.
        must_be_own: whether only the section's own will do.

    Returns:
        At most 32 images, fewer where they are large, (batch, height, width, channels), float32 in [0, 1]; and what
        they are, in words.

    Raises:
        UserError: the section's own must be taken, and cannot be.
    """
    try:
        return _take(load(section), image_shape, "of the run")
    except UserError as error:
        if must_be_own:
            raise
        bundled = BundledData(image_size=image_shape[:2], channels=image_shape[2])  # type: ignore[arg-type]
        images, what = _take(load_splits(bundled), image_shape, "of Fashion-MNIST")
        return images, f"{what}, since the run's own cannot be had ({error})"


def _take(splits: Splits, image_shape: tuple[int, int, int], whose: str) -> tuple[np.ndarray, str]:
    if splits.image_shape != image_shape:
        raise UserError(f"images now have shape {splits.image_shape}, and the run was trained on {image_shape}")
    part = "test" if len(splits.test) else "validation"
    images = getattr(splits, part)
    most = min(_MOST_IMAGES, max(2, _MOST_PIXELS // (image_shape[0] * image_shape[1])), len(images))
    pixels = to_float(images.read(np.linspace(0, len(images) - 1, most).astype(int)))
    return pixels, f"{number_of(most, f'{part} image')} {whose}"


Arrays = dict[str, np.ndarray]
Serve = Callable[[str, Path, Arrays], Arrays]


def serve_in_fresh_process(format_name: str, path: Path, inputs: Arrays) -> Arrays:
    """Outputs of an export for all inputs and, behind them, for the first alone: two sizes of batches.

    Args:
        format_name: which runtime.
        path: the export.
        inputs: arrays by name.

    Raises:
        UserError: the runtime cannot load or run it.
    """
    root = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
    }
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(given, **inputs)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "cae.exporting.runtimes", format_name, str(path), str(given), str(taken)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        if ended.returncode or not taken.exists():
            last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            raise UserError(f"The {format_name} export was written, but its own runtime does not run it: {last}")
        with np.load(taken) as arrays:
            return dict(arrays)


def serve_here(format_name: str, path: Path, inputs: Arrays) -> Arrays:
    """The same in this process, see `serve_in_fresh_process`."""
    try:
        return serve_twice(LOADERS[format_name](str(path)), inputs)
    except Exception as error:
        raise UserError(f"The {format_name} export was written, but cannot be run: {first_line(error)}") from error


def check_parity(
    part: Part,
    format_name: str,
    path: Path,
    images: np.ndarray,
    *,
    quantize: bool,
    write_encoder: Callable[[Part, Path], None],
    serve: Serve = serve_in_fresh_process,
) -> list[Agreement]:
    """Compare a written export with the model it was made of.

    Args:
        part: what was exported.
        format_name: as what.
        path: where it is.
        images: (batch, height, width, channels), float32 in [0, 1].
        quantize: whether its weights are 8-bit, and more is tolerated.
        write_encoder: writes the encoder in the same way to a path; used when switches must be looked at.
        serve: how the file is run.

    Returns:
        One agreement for each output.

    Raises:
        UserError: the model's own outputs are not finite, the file cannot be run, or its outputs have other names,
            shapes or types.
    """
    encoder = make_part(part.autoencoder, "encoder")
    code = encoder.compute({"images": images})
    inputs = code if part.name == "decoder" else {"images": images}
    expected = _with_first_again(code if part.name == "encoder" else part.compute(inputs))
    _check_is_finite([*code.values(), *expected.values()])
    found = serve(format_name, path, inputs)
    _check_form(expected, found)
    if part.name == "encoder":
        return _compare_codes(encoder, images, expected, found, quantize=quantize)
    compare = compare_quantized if quantize else compare_floats
    (name,) = part.outputs
    agreement = compare(name, expected[name], found[name])
    has_switches_inside = part.name == "autoencoder" and len(code) > 1
    if agreement.is_within or quantize or not has_switches_inside:
        return [agreement]
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "encoder").with_suffix(path.suffix)
        write_encoder(encoder, written)
        found_code = serve(format_name, written, {"images": images})
    return _compare_beside_ties(part, images, _with_first_again(code), found_code, found)


def _compare_codes(
    encoder: Part, images: np.ndarray, expected: Arrays, found: Arrays, *, quantize: bool
) -> list[Agreement]:
    (latent, *switches) = encoder.outputs
    compare = compare_quantized if quantize else compare_floats
    agreements = [compare(latent, expected[latent], found[latent])]
    for name, pool in zip(switches, encoder.autoencoder.plan.switches, strict=True):
        if isinstance(pool, IndexedPooling) and pool.indices == "soft":
            agreements.append(compare(name, expected[name], found[name]))
        elif quantize:
            agreements.append(compare_quantized_switches(name, expected[name], found[name]))
        else:
            values_at = _values_pooled_by(encoder, pool, images)
            agreements.append(compare_switches(name, expected[name], found[name], values_at))
    return agreements


def _values_pooled_by(encoder: Part, pool: Pool, images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What switches choose among: values or, where all channels of a place share one, their sums; or scores."""
    layer = encoder.model.get_layer(pool.name)
    before = keras.Model(encoder.model.inputs[0], layer.input)
    with tf.device("/CPU:0"):
        features = _again(before(images, training=False).numpy())
    if isinstance(pool, IndexedPooling):
        scores = layer.score(tf.constant(features))
        return lambda indices: window_sums(scores * indices, pool.pool_size).numpy()
    if pool.switches and pool.switches.of == "per_place":
        features = features.sum(axis=-1, keepdims=True)
    return lambda switches: gather(tf.constant(features), tf.constant(switches), pool.pool_size).numpy()


def _compare_beside_ties(
    part: Part, images: np.ndarray, code: Arrays, found_code: Arrays, found: Arrays
) -> list[Agreement]:
    """Compare reconstructions where rounding may have moved switches between equal values.

    The export's encoder tells its switches. Each must choose a maximum; the run's decoder, given these switches, must
    then give the export's reconstructions.
    """
    encoder, decoder = (make_part(part.autoencoder, "encoder"), make_part(part.autoencoder, "decoder"))
    _check_form(code, found_code)
    agreements = _compare_codes(encoder, images, code, found_code, quantize=False)
    (latent, *switches) = encoder.outputs
    expected = decoder.compute({latent: code[latent]} | {name: found_code[name] for name in switches})
    (name,) = part.outputs
    largest = compare_floats(name, part.compute({"images": _again(images)})[name], found[name]).largest
    beside = compare_floats(name, expected[name], found[name])
    sentence = f"{beside.sentence}, given the export's switches ({largest:.1e} with the run's)"
    return [Agreement(name, beside.largest, beside.is_within, sentence), *agreements]


def _again(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values[:1]])


def _with_first_again(arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {name: _again(values) for name, values in arrays.items()}


def _check_is_finite(outputs: Iterable[np.ndarray]) -> None:
    # An activation at the end may make 1 of infinity: codes are looked at, too.
    if not all(np.isfinite(values).all() for values in outputs):
        raise UserError(
            "Nothing is exported: codes or reconstructions of this run have values that are infinite or not a number,"
            " since its weights are so large that the computation overflows."
        )


def _check_form(expected: Arrays, found: Arrays) -> None:
    wanted, are = ({name: (value.shape, str(value.dtype)) for name, value in x.items()} for x in (expected, found))
    if wanted != are:
        raise UserError(f"The export's outputs must be {wanted}. Received: {are}.")
