"""Every upsampling, part and format: written, read back by its own runtime, and the same numbers."""

import json
import warnings
import zipfile

import numpy as np
import pytest

from cae.config.model import ModelSection
from cae.config.run import RunConfig
from cae.errors import UserError
from cae.exporting.export import Exporter
from cae.exporting.formats import FORMATS
from cae.exporting.parity import FLOAT_TOLERANCE
from cae.exporting.parts import make_part
from cae.exporting.runtimes import LOADERS, serve_twice
from tests.export.models import KINDS, build, make_batch

for needed in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(needed)

pytestmark = [
    # Of the converters and runtimes, about themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


LOADED = {}


def load(format_name, path):
    """Load a file in this process, which is quicker than a fresh one, and only once."""
    key = path, path.stat().st_mtime_ns
    if key not in LOADED:
        LOADED.clear()
        LOADED[key] = LOADERS[format_name](str(path))
    return LOADED[key]


def serve_here(format_name, path, inputs):
    return serve_twice(load(format_name, path), inputs)


def export(autoencoder, format_name, folder, part="autoencoder", quantize=False, images=None, serve=serve_here):
    shape = autoencoder.plan.image_shape
    exporter = Exporter(RunConfig(), "digest", make_batch(shape) if images is None else images, serve)
    wanted = FORMATS[format_name]
    out = folder / f"{part}{wanted.ending}"
    return exporter.export(make_part(autoencoder, part), wanted, out, quantize=quantize)


# Sides that no stage halves evenly.
SHAPE = (37, 35, 3)
# Each kind at one stage; what a converter meets at each stage anew is in models of few. Batch normalisation is in the
# tied model further down.
MODELS = {
    "plain": ["conv_transpose 4 blur", "resize lanczos5", "bilinear_additive", "subpixel"],
    "switches": ["max_unpool", "conv_transpose 3", "max_unpool per_place blur", "conv_transpose 4", "resize bicubic"],
    "smooth": ["resize bilinear", "fixed_unpool", "resize nearest", "fixed_unpool blur", "carafe", "resize lanczos3"],
    "read": ["dysample", "haar", "dysample dynamic_scope"],
    "repeated": ["max_unpool repeat", "subpixel blur"],
    "soft": ["learned_indices"],
    "hard": ["learned_indices"],
}
ENCODERS = {
    "plain": {"activation": "gelu", "stem": 2, "residual_blocks_at_code": 1},
    "switches": {"bottleneck": {"kind": "spatial", "channels": 3}, "shortcut": "space_to_channel"},
    "smooth": {"bottleneck": {"kind": "dense", "units": 5}},
    "read": {"downsampling": "haar"},
    "repeated": {
        "normalization": {"kind": "group", "groups": 2},
        "activation": "silu",
        "residual_blocks": 1,
        "padding": "reflect",
        "dropout": 0.3,
    },
    "soft": {"normalization": "gdn", "activation": "gelu", "downsampling": "learned_indices"},
    "hard": {
        "normalization": "layer",
        "downsampling": {"kind": "learned_indices", "indices": "hard", "switches": "per_place"},
    },
}


@pytest.fixture(scope="module")
def autoencoders():
    return {name: build([KINDS[kind] for kind in kinds], SHAPE, **ENCODERS[name]) for name, kinds in MODELS.items()}


@pytest.fixture(scope="module")
def unpooling():
    """Two stages that record switches, of every channel and of every place."""
    return build([KINDS["max_unpool"], KINDS["max_unpool per_place blur"]], SHAPE)


def test_the_models_below_have_every_kind_of_upsampling():
    assert set(KINDS) == {kind for kinds in MODELS.values() for kind in kinds}


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_upsampling_exports_to_every_format(autoencoders, model, format_name, tmp_path):
    exported = export(autoencoders[model], format_name, tmp_path)
    assert exported.path.exists()
    assert exported.agreements[0].output == "reconstructions"
    assert all(agreement.largest <= FLOAT_TOLERANCE for agreement in exported.agreements)
    # The parity check is not taken at its word: the same by hand, for a batch of a size that it did not see.
    images = make_batch(SHAPE, number=3, seed=5)
    found = load(format_name, exported.path)({"images": images})["reconstructions"]
    expected = np.asarray(autoencoders[model].model(images))
    assert np.ptp(expected) > 0.05  # else it would be no test
    np.testing.assert_allclose(found, expected, atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("format_name", FORMATS)
def test_encoder_and_decoder_pass_latent_and_switches_to_each_other(unpooling, format_name, tmp_path):
    autoencoder, images = unpooling, make_batch(SHAPE, seed=2)
    for part in ("encoder", "decoder"):
        assert all(found.is_within for found in export(autoencoder, format_name, tmp_path, part).agreements)
    encoder, decoder = (
        LOADERS[format_name](str(tmp_path / f"{part}{FORMATS[format_name].ending}")) for part in ("encoder", "decoder")
    )
    code = encoder({"images": images})
    assert set(code) == {"latent", "stage_1_pool_switches", "stage_2_pool_switches"}
    np.testing.assert_allclose(decoder(code)["reconstructions"], autoencoder.model(images), atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_tied_deconvnet_exports_and_its_kernels_are_stored_once_where_they_can_be(format_name, tmp_path):
    autoencoder = build("max_unpool", (15, 10, 1), tied=True, normalization="batch")
    exported = export(autoencoder, format_name, tmp_path)
    if format_name == "keras":
        import keras

        loaded = keras.models.load_model(exported.path)
        assert loaded.count_params() == autoencoder.model.count_params()
        convolution, transposed = (
            loaded.get_layer(name) for name in ("encoder_stage_1_conv_1", "decoder_stage_1_conv_1_transposed")
        )
        assert transposed.kernel is convolution.kernel
    if format_name == "savedmodel":
        import tensorflow as tf

        loaded = tf.saved_model.load(str(exported.path))
        variables = loaded.signatures["serving_default"].variables
        assert sum(np.prod(variable.shape) for variable in variables) == autoencoder.model.count_params()
    export(autoencoder, format_name, tmp_path, "decoder")


@pytest.mark.parametrize("format_name", ["onnx", "litert"])
@pytest.mark.parametrize("part", ["autoencoder", "encoder"])
def test_eight_bit_weights_make_the_file_smaller_and_are_told_apart_from_exact_ones(format_name, part, tmp_path):
    autoencoder = build("subpixel", (16, 20, 3), filters=[16, 32])
    exact = export(autoencoder, format_name, tmp_path, part)
    quantized = export(autoencoder, format_name, tmp_path, part, quantize=True)
    assert quantized.num_bytes < 0.6 * exact.num_bytes
    assert quantized.agreements[0].largest > exact.agreements[0].largest
    assert "PSNR" in str(quantized.agreements[0])


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_export_says_what_it_takes_and_where_it_comes_from(format_name, tmp_path):
    path = export(build("resize", (9, 12, 1)), format_name, tmp_path).path
    if format_name == "savedmodel":
        text = (path / "assets.extra" / "cae.json").read_text()
    elif format_name == "onnx":
        import onnx

        text = {entry.key: entry.value for entry in onnx.load(path).metadata_props}["cae"]
    else:
        text = zipfile.ZipFile(path).read("cae.json")
    found = json.loads(text)
    assert found["inputs"] == {"images": {"shape": [None, 9, 12, 1], "dtype": "float32"}}
    assert found["outputs"] == {"reconstructions": {"shape": [None, 9, 12, 1], "dtype": "float32"}}
    assert found["image_range"] == [0, 1]
    assert found["value_range"] == "type"
    assert found["weights_sha256"] == "digest"
    assert ModelSection.model_validate(found["config"]["model"]) == RunConfig().model
    assert "path" not in found["config"]["data"]


def test_a_saved_model_has_plain_operations_only_and_loads_without_a_warning(unpooling, tmp_path, caplog):
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = export(unpooling, "savedmodel", tmp_path).path
    with warnings.catch_warnings(record=True) as caught:
        tf.saved_model.load(str(path))
    assert not caught
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    graph = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    assert len(nodes) > 50
    assert not any("_gradient_op_type" in node.attr for node in nodes)
    assert not any(function.attr["_XlaMustCompile"].b for function in graph.library.function)


def test_a_format_that_a_runtime_cannot_run_leaves_nothing(tmp_path):
    def broken(format_name, path, inputs):
        assert path.exists()
        raise UserError("its own runtime does not run it")

    autoencoder = build("resize", (8, 8, 1))
    for format_name in ("savedmodel", "keras"):
        with pytest.raises(UserError, match="does not run it"):
            export(autoencoder, format_name, tmp_path, serve=broken)
    assert list(tmp_path.iterdir()) == []
