"""What commands need not compute anew where only the writing of files is tried."""

import atexit
import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from tests.faults.commands import call


def once(module, name, key=lambda *arguments, **options: None):
    """Have a function compute the same only once."""
    real, kept = getattr(module, name), {}

    def remembered(*arguments, **options):
        which = key(*arguments, **options)
        if which not in kept:
            kept[which] = real(*arguments, **options)
        return kept[which]

    setattr(module, name, remembered)


def compute_once():
    """Keep what is computed from one call to the next, and let nothing wait for threads, which a fork does not have."""
    os.cpu_count = lambda: 1  # fewer threads to read images, whose starts take longer than these
    os.environ["OMP_NUM_THREADS"] = "1"  # for scikit-learn, which comes with TensorFlow and finds neighbours for scores
    from cae.engine import start_engine

    start_engine()
    import tensorflow as tf

    # With a single thread each, what is left to compute is computed where it is called for, in a fork too.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import cae.commands.main
    import cae.comparison.compare
    import cae.comparison.events.write
    import cae.comparison.measuring
    import cae.comparison.report.page
    import cae.config.yaml.files
    import cae.data.dividing
    import cae.data.lossy
    import cae.evaluation.results
    import cae.exporting.export
    import cae.features.describe
    import cae.inference.trained_autoencoder
    import cae.plan_figure.draw
    import cae.runs.trained
    import cae.training.train
    import cae.visualization.results
    from cae.grid.runner import Children

    def by_weights(directory, *_):
        return directory.digest_weights()

    once(cae.config.yaml.files, "read_yaml", lambda text, source, **options: (text, source, *options.values()))
    once(cae.runs.trained, "load_autoencoder", by_weights)
    model = cae.inference.trained_autoencoder.TrainedAutoencoder
    real_load = model.load
    model.load = lambda directory, tell=print: real_load(directory, tell)
    once(model, "load", by_weights)
    once(cae.visualization.results, "_survey")
    once(cae.visualization.results, "_draw")
    once(cae.features.describe, "take_sample", lambda network, images, **options: options["most"])
    once(cae.comparison.compare, "make_exhibits")
    once(cae.comparison.compare, "describe_environment")
    once(cae.comparison.report.page, "comparison_picture")
    once(cae.comparison.report.page, "render_page")
    once(cae.comparison.events.write, "comparison_picture")
    once(cae.plan_figure.draw, "draw_plan")
    once(cae.data.dividing, "find_shared")
    once(cae.data.lossy, "warn_of_loss")
    once(cae.training.train, "describe_environment")
    once(cae.comparison.report.page, "render_markdown")
    once(cae.visualization.results, "make_page")
    once(cae.config.yaml.files, "to_yaml", repr)
    once(cae.commands.main, "_make_parser", lambda arguments: arguments[0])
    encode_pictures_once()
    draw_plan_once()
    # Gives back the memory of models, of which there are no new ones here.
    cae.comparison.measuring.keras = cae.comparison.measuring.gc = SimpleNamespace(
        backend=SimpleNamespace(clear_session=int), collect=int
    )
    cae.exporting.export.check_parity = lambda *args, **options: []
    copy_exports(cae.exporting.export.WRITERS)
    Children.train = lambda children, arguments: call("train", *arguments)[0]
    evaluate_once()
    replace_networks()
    replace_steps()
    read_records_here()


def encode_pictures_once():
    save, kept = Image.Image.save, {}

    def save_bytes(image, target, format="PNG", **options):
        if options:
            return save(image, target, format, **options)
        key = image.tobytes(), image.size, format
        if key not in kept:
            encoded = io.BytesIO()
            save(image, encoded, format)
            kept[key] = encoded.getvalue()
        with open(target, "wb") if isinstance(target, str | Path) else contextlib.nullcontext(target) as file:
            file.write(kept[key])
        return None

    Image.Image.save = save_bytes


def draw_plan_once():
    import cae.plan_figure.draw

    class Canvas(cae.plan_figure.draw.FigureCanvasSVG):
        kept = None

        def print_svg(self, path, **options):
            if self.kept is None:
                drawn = io.StringIO()
                super().print_svg(drawn, **options)
                Canvas.kept = drawn.getvalue().splitlines(keepends=True)
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(self.kept)

    cae.plan_figure.draw.FigureCanvasSVG = Canvas


def evaluate_once():
    import cae.comparison.measuring
    import cae.evaluation.results

    evaluate, write, evaluations = cae.evaluation.results.evaluate_run, cae.evaluation.results.write_evaluation, {}

    def evaluate_or_write(trained, measured_on, out, tell):
        def write_and_keep(folder, *files):
            evaluations[trained.weights_digest] = files
            write(folder, *files)

        if trained.weights_digest not in evaluations:
            cae.evaluation.results.write_evaluation = write_and_keep
            return evaluate(trained, measured_on, out, tell)
        write(out, *evaluations[trained.weights_digest])
        return evaluations[trained.weights_digest][0]

    cae.evaluation.results.evaluate_run = cae.comparison.measuring.evaluate_run = evaluate_or_write


def replace_networks():
    """Networks that need no arithmetic."""
    from cae.inference.network import Network

    def fill(inputs, shape):
        return np.full((len(inputs), *shape), 0.5, np.float32) * inputs.mean(dtype=np.float32)

    Network.reconstruct = lambda network, images: images * np.float32(0.9)
    Network.encode = lambda network, images: fill(images, network.code_shape)
    Network.decode = lambda network, codes: fill(codes, network.plan.image_shape)


def replace_steps():
    """Trainings that read the images, count their steps and change a weight, and compute nothing."""
    import cae.training.loop
    import cae.training.tensorboard
    from cae.data.pixels import to_float
    from cae.training.step import Steps
    from cae.training.train import Training

    make_state, states = Training._make_state, {}

    def make_state_once(training):
        key = training.config.seed
        if key not in states:
            state = make_state(training)
            states[key] = state, state.to_checkpoint()
        state, start = states[key]
        state.restore(start)
        return state

    def read_batches(images, size, *_, **__):
        for first in range(0, len(images), size):
            yield to_float(images.read(np.arange(first, min(first + size, len(images)))))

    def train(steps, batches, number, sums):
        for _ in range(number):
            next(batches)
        steps.step.assign_add(number)
        kernel = steps.autoencoder.model.trainable_variables[0]
        kernel.assign(kernel * 1.01)
        return sums + 1

    Training._make_state = make_state_once
    cae.training.train.make_training_batches = cae.training.loop.make_batches = read_batches
    cae.training.tensorboard.make_batches = read_batches
    Steps.train = train
    Steps.validate = lambda steps, batches, number: steps.zero_sums() + 1
    Steps.reconstruct = lambda steps, images, number, count: (images, images, images)
    # Traces the model; one event of many.
    cae.training.tensorboard._write_graphs = lambda autoencoder: None


def read_records_here():
    """Read event files without the threads of tf.data."""
    import tensorflow as tf
    from tensorflow.python.lib.io import _pywrap_record_io

    tf.data.TFRecordDataset = lambda path: SimpleNamespace(
        as_numpy_iterator=lambda: iter(_pywrap_record_io.RecordIterator(path, ""))
    )


def copy_exports(writers):
    """Have models converted once, and written by Python: what matters to files is how they take their places."""
    kept = Path(tempfile.mkdtemp(prefix="cae-exports-"))
    atexit.register(shutil.rmtree, kept)

    def copying(kind, write):
        def copy(part, path, *arguments):
            model = kept / ("model" if kind == "savedmodel" else f"model{path.suffix}")
            if not model.exists():
                write(part, model, *arguments)
            if kind == "savedmodel":
                shutil.copytree(model, path, dirs_exist_ok=True)
            else:
                shutil.copyfile(model, path)

        return copy

    for kind, write in list(writers.items()):
        writers[kind] = copying(kind, write)
