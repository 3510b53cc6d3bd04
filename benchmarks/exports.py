"""How far exports are from the trained model: kinds of upsampling in every format, and with 8-bit weights.

    python -m benchmarks.exports --json OUT --images FOLDER [--quick] [--steps N] [--kinds ...]

Models of two stages (32 and 64 filters) are trained on a folder of photographs, exported, and compared on 32 of its
test part: the largest difference of a pixel, and of 8-bit weights the PSNR against the model's own reconstructions.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from benchmarks.models import KINDS, Task, make_config
from benchmarks.record import Measurement, make_parser, save, tell


def main() -> int:
    """Train and export all that the options ask for."""
    parser = make_parser(__doc__, repetitions=None)
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="of photographs, 32x32 pixels")
    parser.add_argument(
        "--steps", type=int, default=280, metavar="N", help="of 128 images; default: 280, or 20 with --quick"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    options = parser.parse_args()
    measurements = []
    for kind in options.kinds:
        measurements += measure(kind, options.images, 20 if options.quick else options.steps)
        for measurement in measurements[-2:]:
            tell(measurement)
    return save("exports", options, measurements)


def measure(kind: str, images: Path, steps: int) -> list[Measurement]:
    """Largest differences in each format, and the PSNR of those that can store 8-bit weights."""
    import cae
    from cae.data.load import load_splits
    from cae.exporting.export import Exporter
    from cae.exporting.formats import FORMATS
    from cae.exporting.parity import choose_images
    from cae.exporting.parts import make_part
    from cae.exporting.runtimes import LOADERS, serve_twice
    from cae.runs import open_run
    from cae.runs.trained import load_trained_run

    config = make_config(Task(kind, (32, 32, 3), (32, 64), 128, "float32"))
    given = ["data.source=image_folder", f"data.path={images.resolve()}", "data.image_size=[32, 32]", "data.channels=3"]
    largest: dict[str, list[float]] = {}
    psnr: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        overrides = [*given, f"training.steps={steps}"]
        result = cae.train(config, overrides=overrides, runs_dir=folder, tell=lambda _: None)
        run = load_trained_run(open_run(result.path), load_splits)
        pixels, _ = choose_images(run.config.data, run.plan.image_shape, load_splits)
        exporter = Exporter(
            run.config, run.weights_digest, pixels, lambda name, path, x: serve_twice(LOADERS[name](str(path)), x)
        )
        part = make_part(run.autoencoder, "autoencoder")
        for name, wanted in FORMATS.items():
            out = Path(folder, f"exported{wanted.ending}")
            largest[name] = [max(found.largest for found in exporter.export(part, wanted, out).agreements)]
            if wanted.quantized:
                agreements = exporter.export(part, wanted, out, quantize=True).agreements
                psnr[name] = [float(re.findall(r"PSNR ([\d.]+) dB", str(found))[0]) for found in agreements]
    case = {"upsampling": kind}
    return [
        Measurement(case | {"weights": "float32"}, "largest difference of a pixel", largest, more_is_better=False),
        Measurement(case | {"weights": "8 bits"}, "dB", psnr),
    ]


if __name__ == "__main__":
    sys.exit(main())
