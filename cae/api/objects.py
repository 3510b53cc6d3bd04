"""What the functions give: a run, what training gave, the trained model, and reports."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae import inference
from cae.api.given import path_of
from cae.api.spoken import all_in_python, in_python
from cae.errors import RunWarning, UserError
from cae.runs import RunDirectory

if TYPE_CHECKING:
    import numpy as np
    from keras import Model
    from matplotlib.figure import Figure

    from cae.workflows.evaluation import Split


class Report(dict[str, Any]):
    """Figures as a dictionary, shown as the text that the command prints.

    Args:
        figures: what the JSON file of the command holds.
        text: for people.
        path: the folder or file that was written; None where nothing was.
        markdown: for notebooks; by default the text.
    """

    def __init__(
        self, figures: Mapping[str, Any], text: str, path: Path | None = None, markdown: str | None = None
    ) -> None:
        super().__init__(all_in_python(dict(figures)))
        self.text = in_python(text)
        self.path = path
        self._markdown = markdown and in_python(markdown)

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self._markdown or f"```\n{self.text}\n```"


class History(dict[str, list[Any]]):
    """Each figure's name to its values, one for each epoch: `history["val_psnr"]`, as Keras has it."""

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each epoch.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise UserError("`to_frame` needs pandas: pip install pandas.") from error
        return pandas.DataFrame(self).set_index("epoch")


class Run:
    """A run directory; whatever takes a path takes a run as well.

    Example:
        >>> run = Run("runs/quickstart/conv_transpose")
        >>> run.path.name
        'conv_transpose'

    Args:
        path: RUNS_DIR/EXPERIMENT/NAME.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._directory = RunDirectory(path_of("path", path))

    @property
    def path(self) -> Path:
        """Where it is: config.yaml, summary.json, metrics.jsonl, model.weights.h5, reconstructions.png and others."""
        return self._directory.path

    @property
    def status(self) -> str | None:
        """`finished`, `stopped_early`, `interrupted` or `failed`; None while it is trained, or after it was killed."""
        return self._directory.status

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json says: `status`, metrics of the `best` and the `last` epoch, sizes, seconds.

        Raises:
            UserError: there is none yet, or it is damaged.
        """
        summary: dict[str, Any] = all_in_python(self._directory.read_summary())
        return summary

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One row for each epoch, as in metrics.jsonl: `epoch`, `loss`, `val_loss`, `val_psnr` and others."""
        return self._directory.read_metrics()

    @property
    def history(self) -> History:
        """Each figure of `metrics` with its values, one for each epoch."""
        rows = self.metrics
        return History(
            {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}
        )

    def plot(self) -> Figure:
        """Draw loss and PSNR over the epochs, of training and of validation images; a notebook shows what is given."""
        return _plot([self])

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """What makes it doubtful: each with a `code` and a `message` that names the remedy; empty if nothing does."""
        found = self._directory.read_warnings()
        return tuple(RunWarning(warning.code, in_python(warning.message)) for warning in found)

    def load(self) -> TrainedAutoencoder:
        """Load its best weights; see `cae.load`."""
        from cae.api.trained import load

        return load(self)

    def evaluate(self, split: Split = "test", **options: Any) -> dict[str, Any]:
        """Measure it; see `cae.evaluate` also for the options."""
        from cae.api.trained import evaluate

        return evaluate(self, split=split, **options)

    def visualize(self, **options: Any) -> Path:
        """Show what its feature maps respond to; see `cae.visualize`."""
        from cae.api.trained import visualize

        return visualize(self, **options)

    def export(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write it as a file that others can serve; see `cae.export`."""
        from cae.api.trained import export

        return export(self, path, **options)

    def __dir__(self) -> list[str]:
        return _public(self)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Run({os.fspath(self)!r}, status={self.status!r})"

    def _repr_html_(self) -> str:
        return _in_a_cell(self, repr(self))


class TrainingResult:
    """What `cae.train` has trained: one run, or with a grid several.

    `path`, `status`, `summary`, `metrics`, `load` and `evaluate` are those of the only run. It is a path itself, as
    runs are, and gives its runs one by one.

    Args:
        runs: in the grid's order.
        experiment: the folder that they lie in.
    """

    def __init__(self, runs: Sequence[Run], experiment: Path) -> None:
        self.runs = tuple(runs)
        self.experiment = experiment

    @property
    def run(self) -> Run:
        """The only run.

        Raises:
            UserError: there are several.
        """
        if len(self.runs) != 1:
            names = ", ".join(run.path.name for run in self.runs)
            raise UserError(f"{self.experiment}: has several runs, choose one of `runs`: {names}.")
        return self.runs[0]

    @property
    def path(self) -> Path:
        """The run directory; that of the experiment where there are several."""
        return self.runs[0].path if len(self.runs) == 1 else self.experiment

    @property
    def status(self) -> str | None:
        """See `Run.status`."""
        return self.run.status

    @property
    def summary(self) -> dict[str, Any]:
        """See `Run.summary`."""
        return self.run.summary

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """See `Run.metrics`."""
        return self.run.metrics

    @property
    def history(self) -> History:
        """See `Run.history`."""
        return self.run.history

    def plot(self) -> Figure:
        """Draw loss and PSNR over the epochs, a line for each run."""
        return _plot(self.runs)

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Those of all its runs, each once; see `Run.warnings`."""
        return tuple(dict.fromkeys(warning for run in self.runs for warning in run.warnings))

    def load(self) -> TrainedAutoencoder:
        """See `cae.load`."""
        return self.run.load()

    def evaluate(self, split: Split = "test", **options: Any) -> dict[str, Any]:
        """Measure the run, or compare several; see `cae.evaluate`."""
        from cae.api.trained import evaluate

        return evaluate([run.path for run in self.runs], split=split, **options)

    def visualize(self, **options: Any) -> Path:
        """See `cae.visualize`."""
        return self.run.visualize(**options)

    def export(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """See `cae.export`."""
        return self.run.export(path, **options)

    def __dir__(self) -> list[str]:
        return _public(self)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"TrainingResult({list(self.runs)!r})"

    def _repr_html_(self) -> str | None:
        return self.run._repr_html_() if len(self) == 1 else None

    def _repr_markdown_(self) -> str:
        rows = ["| run | status | epochs | validation PSNR of the best epoch |", "|---|---|---|---|"]
        for run in self.runs:
            best = (run.summary if run.status else {}).get("best") or {}
            psnr = f"{best['val_psnr']:.2f} dB" if "val_psnr" in best else ""
            rows.append(f"| {run.path.name} | {run.status} | {len(run.metrics)} | {psnr} |")
        return "\n".join(rows)


class TrainedAutoencoder(inference.TrainedAutoencoder):
    """What a run has learned, ready for any images, with NumPy arrays in and out, and as models of Keras.

    Every method takes images as (batch, height, width, 1 or 3), (batch, height, width), (height, width, 1 or 3) or
    (height, width): uint8, uint16, bool, or floating point in [0, 1]. A three-dimensional array whose last side is 1 or
    3 is one image. Gray is repeated for a model of colours, colour made gray for a model of gray. After a training with
    `data.value_range` they are numbers on that range, unless their type cannot hold it: 8-bit images still go from 0
    to 255. Values outside are clipped, and `tell` gets a line about it.

    The Keras models take float32 in [0, 1], (batch, *image_shape).

    Example:
        model = cae.load("runs/quickstart/conv_transpose")
        reconstructions = model.predict(images)  # float32 in [0, 1], the images' shape
        codes = model.encode(images, pool="mean")  # (batch, channels)
        model.keras.save("model.keras")
    """

    @property
    def keras(self) -> Model:
        """Images to reconstructions: `encoder`, then `decoder`; all three share their weights."""
        model: Model = self._networks.autoencoder.model
        return model

    @property
    def encoder(self) -> Model:
        """Images to the code, followed by the switches of poolings that record them."""
        model: Model = self._networks.autoencoder.encoder
        return model

    @property
    def decoder(self) -> Model:
        """The code, followed by switches if it needs them, to reconstructions."""
        model: Model = self._networks.autoencoder.decoder
        return model

    @cached_property
    def run(self) -> Run:
        """The run that it was loaded from."""
        return Run(self._directory.path)

    @property
    def history(self) -> History:
        """See `Run.history`."""
        return self.run.history

    def predict(self, images: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
        """Reconstruct images, as `reconstruct` does; takes data sets of TensorFlow and Keras as well.

        Args:
            images: see the class; or a `tf.data.Dataset` or `keras.utils.PyDataset` of images.
            batch_size: has no effect on what comes out; batches are as large as in training.
            verbose: as Keras has it; nothing is shown.

        Returns:
            float32 in [0, 1], the images' shape.
        """
        from cae.data.sources.memory import read_given

        return self.reconstruct(read_given("images", images)[0])

    def __call__(self, images: Any) -> np.ndarray:
        """See `predict`."""
        return self.predict(images)

    def summary(self, print_fn: Callable[[str], None] = print) -> None:
        """Print its layers, shapes, weights and the size of its code.

        Args:
            print_fn: is given the text.
        """
        from cae.plan.table import format_plan

        print_fn(format_plan(self._networks.own.plan))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as a file of Keras, whole or not at all.

        Args:
            path: ends in .keras, for `keras.models.load_model`, or in .weights.h5, for the weights of `keras`. A model
                is written in Keras' own layers where Keras has them (resizing, transposed convolution, sub-pixels);
                others need `import cae.layers` where they are loaded.

        Returns:
            The path.

        Raises:
            UserError: the ending is another, or the file cannot be written.
        """
        from cae.atomic_files import replacing
        from cae.exporting.parts import make_part
        from cae.exporting.stock import with_stock_layers
        from cae.exporting.writers import flatten

        path = Path(path)
        if not path.name.endswith((".keras", ".weights.h5")):
            raise UserError(f"`path` must end in .keras or .weights.h5. Received: {path}.")
        autoencoder = self._networks.autoencoder
        with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
            if path.suffix == ".keras":
                with_stock_layers(flatten(make_part(autoencoder, "autoencoder"))).save(temporary)
            else:
                written = Path(folder, path.name)  # HDF5 locks its files, as `replacing` does
                autoencoder.model.save_weights(written)
                shutil.copyfile(written, temporary)
        return path

    def evaluate(self, split: Split = "test", **options: Any) -> dict[str, Any]:
        """Measure it on images of its run; see `cae.evaluate`."""
        return self.run.evaluate(split, **options)

    def visualize(self, **options: Any) -> Path:
        """Show what its feature maps respond to; see `cae.visualize`."""
        return self.run.visualize(**options)

    def export(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write it as a file that others can serve; see `cae.export`."""
        return self.run.export(path, **options)

    def __dir__(self) -> list[str]:
        return _public(self)

    def __repr__(self) -> str:
        best = self.run.summary.get("best") or {} if self._directory.summary.exists() else {}
        psnr = f", {best['val_psnr']:.2f} dB validation PSNR" if "val_psnr" in best else ""
        return f"TrainedAutoencoder({os.fspath(self.run)!r}, images {self.image_shape}, code {self.code_shape}{psnr})"

    def _repr_html_(self) -> str:
        return _in_a_cell(self.run, repr(self))


def _public(given: Any) -> list[str]:
    """What completion offers of an object."""
    names = {*vars(type(given)), *(name for base in type(given).__mro__[:-1] for name in vars(base)), *vars(given)}
    return sorted(name for name in names if not name.startswith("_"))


def _in_a_cell(run: Run, line: str) -> str:
    """HTML for a notebook: a line, curves over the epochs, and the first validation images."""
    from cae.pages import data_uri, render
    from cae.runs.page import draw_epochs

    file = run._directory.reconstructions
    picture = data_uri(file.read_bytes()) if file.is_file() else None
    return render("cell.html", share=None, now=None, line=line, charts=draw_epochs(run.metrics), picture=picture)


def _plot(runs: Sequence[Run]) -> Figure:
    from matplotlib.figure import Figure

    class Shown(Figure):
        """A notebook shows others only once `matplotlib.pyplot` is imported."""

        def _repr_png_(self) -> bytes:
            written = io.BytesIO()
            self.savefig(written, format="png")
            return written.getvalue()

    figure = Shown(figsize=(9, 3.2), layout="constrained")
    for axis, name, unit in zip(figure.subplots(1, 2), ("loss", "psnr"), ("", " / dB"), strict=True):
        for run in runs:
            history, label = run.history, f"{run.path.name}, " if len(runs) > 1 else ""
            (line,) = axis.plot(history["epoch"], history[f"val_{name}"], ".-", label=f"{label}validation")
            axis.plot(history["epoch"], history[name], ":", color=line.get_color(), label=f"{label}training")
        axis.set(xlabel="epoch", ylabel=name.upper() + unit if unit else name)
        axis.legend()
    return figure
