"""The plan's picture against the plan: everything is there once, at its place, and can be read."""

import itertools
import math
import xml.etree.ElementTree as ElementTree
from collections import Counter

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from PIL import Image

from cae.config.model import ModelSection
from cae.errors import ConfigError, UserError
from cae.kinds.convolutions import Sum, TiedConvolution
from cae.kinds.normalization import Normalization
from cae.kinds.operations import Activation, Dropout, Pool, SpaceToDepth, Upsample
from cae.plan import make_plan
from cae.plan_figure.draw import draw_plan, save_plan_figure


def plan_of(image_shape, encoder, upsampling="conv_transpose", bottleneck="spatial", tied=False, **model):
    decoder = {"upsampling": upsampling, "tied_weights": tied}
    section = ModelSection.model_validate({"encoder": encoder, "bottleneck": bottleneck, "decoder": decoder} | model)
    return make_plan(section, image_shape)


LONG = {
    "filters": [16, 32, 64, 128, 256, 512],
    "convs_per_stage": 2,
    "dropout": 0.25,
    "normalization": {"kind": "group", "groups": 4},
    "activation": "leaky_relu",
}
EVERY_KIND = ["max_unpool", "subpixel", "bilinear_additive", "fixed_unpool", "resize", "conv_transpose"]
STRIDED = {"filters": [8, 16], "residual_blocks": 2, "downsampling": "strided_conv"}

PLANS = {
    "one stage": plan_of((8, 8, 1), {"filters": [4]}, "max_unpool", "none"),
    "six stages": plan_of((300, 100, 3), LONG, EVERY_KIND),
    "dense": plan_of((28, 28, 1), {"filters": [4, 8]}, "resize", {"kind": "dense", "units": 4096}),
    "flat images": plan_of((4, 1000, 1), {"filters": [1, 2]}, "subpixel"),
    "one pixel": plan_of((2, 2, 1), {"filters": [1]}, "resize", {"kind": "dense", "units": 1}),
    "tied deconvnet": plan_of((29, 17, 3), {"filters": [8, 16, 32], "convs_per_stage": 2}, "max_unpool", tied=True),
    "tied strides": plan_of((32, 32, 3), STRIDED, {"kind": "conv_transpose", "kernel_size": 3}, tied=True),
    "tied residual": plan_of((32, 32, 3), STRIDED, "resize", tied=True),
    "residual, pool 3": plan_of(
        (81, 50, 3),
        {"filters": [6, 12], "residual_blocks": 1, "downsampling": {"kind": "max_pool", "pool_size": 3}},
        ["max_unpool", "conv_transpose"],
    ),
    "linear path": plan_of((30, 21, 3), {"filters": [6, 12], "residual_blocks": 1, "stem": 2}, linear_path="block"),
}


@pytest.fixture(scope="module", params=PLANS, ids=lambda name: name.replace(" ", "_"))
def plan(request):
    return PLANS[request.param]


@pytest.fixture(scope="module")
def figure(plan):
    drawn = draw_plan(plan)
    FigureCanvasAgg(drawn)
    return drawn


def named(figure, prefix=""):
    """Artists that stand for parts of the plan, by their names."""
    artists = [artist for artist in figure.axes[0].get_children() if (artist.get_gid() or "").startswith(prefix)]
    names = [artist.get_gid().removeprefix(prefix) for artist in artists if artist.get_gid()]
    assert max(Counter(names).values(), default=1) == 1, "something is there twice"
    return {artist.get_gid().removeprefix(prefix): artist for artist in artists if artist.get_gid()}


def with_a_place(operations):
    return [op for op in operations if not isinstance(op, Activation | Normalization | Dropout)]


def unfolded(operations):
    for operation in operations:
        yield operation
        yield from unfolded(operation.operations) if isinstance(operation, Sum) else ()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture(scope="module")
def text_boxes(figure):
    """Each text with the pixels that it takes."""
    renderer = figure.canvas.get_renderer()
    return {text: text.get_window_extent(renderer) for text in figure.axes[0].texts}


def ends(link):
    """First and last point of an arrow or a line, in inches."""
    if hasattr(link, "get_xydata"):
        return link.get_xydata()
    vertices = link._path_original.vertices
    return vertices[[0, -1]]


def test_every_operation_with_a_place_of_its_own_is_there_once(plan, figure):
    for part, operations in (("encoder", plan.encoder), ("decoder", plan.decoder)):
        expected = [op.name for op in with_a_place(operations)]
        assert sorted(named(figure, f"{part}:")) == sorted(expected)
        residuals = [op.name for op in operations if isinstance(op, Sum)]
        assert sorted(named(figure, f"residual:{part}:")) == sorted(residuals)
    names = Counter(op.name for op in with_a_place(plan.operations))
    assert {name: texts(figure).count(name) for name in names} == names


def test_there_is_an_arrow_for_the_switches_of_each_unpooling(plan, figure):
    unpoolings = [op for op in plan.decoder if isinstance(op, Upsample) and op.switches_from]
    arrows = named(figure, "switches:")
    assert sorted(arrows) == sorted(op.name for op in unpoolings)
    assert all(arrow.get_linestyle() not in ("-", "solid") for arrow in arrows.values())
    pools = {op.name: op for op in plan.encoder if isinstance(op, Pool)}
    for unpooling in unpoolings:
        window = pools[unpooling.switches_from].pool_size ** 2
        bits = math.ceil(math.prod(unpooling.input_shape) * math.log2(window))
        assert f"switches, {bits:,} bits" in texts(figure)


def test_there_is_a_link_for_each_tied_kernel(plan, figure):
    tied = [op for op in unfolded(plan.decoder) if isinstance(op, TiedConvolution)]
    links = named(figure, "tied:")
    assert sorted(links) == sorted(op.name for op in tied)
    # The kernel is named as the encoder's convolution has it: what the decoder takes in is what that one gives.
    kernels = [f"kernel {op.kernel_size}x{op.kernel_size}x{op.output_shape[2]}x{op.input_shape[2]}" for op in tied]
    assert sorted(text for text in texts(figure) if text.startswith("kernel")) == sorted(kernels)


def test_links_are_level_and_join_what_belongs_together(plan, figure):
    def middle_and_edges(part, name):
        front = named(figure, f"{part}:")[name]
        return front.get_x(), front.get_x() + front.get_width(), front.get_y(), front.get_y() + front.get_height()

    outer = {inner.name: op.name for op in plan.operations for inner in unfolded([op])}
    links = {**named(figure, "switches:"), **named(figure, "tied:")}
    for operation in unfolded(plan.decoder):
        source = getattr(operation, "tied_to", None) or getattr(operation, "switches_from", None)
        if source is None:
            continue
        (start, start_y), (end, end_y) = ends(links[operation.name])
        assert start_y == pytest.approx(end_y)
        for part, name, x, y in (("encoder", source, start, start_y), ("decoder", operation.name, end, end_y)):
            left, right, top, bottom = middle_and_edges(part, outer[name])
            assert top - 0.2 < y < bottom + 0.2
            assert min(abs(x - left), abs(x - right)) < 0.3


def test_no_text_overlaps_another_or_leaves_the_figure(figure, text_boxes):
    for (one, first), (other, second) in itertools.combinations(text_boxes.items(), 2):
        assert not first.overlaps(second), (one.get_text(), other.get_text())
    for text, box in text_boxes.items():
        assert figure.bbox.x0 <= box.x0, text.get_text()
        assert box.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0, text.get_text()
        assert box.y1 <= figure.bbox.y1, text.get_text()
        assert text.get_size() >= 7


def test_no_text_stands_on_a_box_a_link_or_a_bracket_and_no_box_on_another(figure, text_boxes):
    renderer = figure.canvas.get_renderer()
    drawn = {name: artist.get_window_extent(renderer) for name, artist in named(figure).items()}
    for name, extent in drawn.items():
        for text, box in text_boxes.items():
            assert not extent.overlaps(box), (name, text.get_text())
    fronts = {name: extent for name, extent in drawn.items() if name.split(":")[0] in ("encoder", "decoder", "code")}
    for (one, first), (other, second) in itertools.combinations(fronts.items(), 2):
        assert not first.overlaps(second), (one, other)


def test_the_encoder_goes_down_and_the_decoder_up_and_the_code_is_below(plan, figure):
    fronts = {name: artist.get_y() + artist.get_height() for name, artist in named(figure).items() if ":" not in name}
    encoder, decoder = (named(figure, f"{part}:") for part in ("encoder", "decoder"))
    down = [encoder[op.name].get_y() for op in with_a_place(plan.encoder)]
    up = [decoder[op.name].get_y() for op in with_a_place(plan.decoder)]
    assert down == sorted(down)
    assert up == sorted(up, reverse=True)
    assert fronts["code"] > max(down[-1], up[0])
    assert fronts["image"] < down[0]
    assert fronts["reconstruction"] < up[-1]
    assert figure.axes[0].yaxis_inverted()  # so that more is further down


def test_heights_follow_the_picture_and_widths_the_channels(plan, figure):
    shapes, fronts = {}, {}
    for part, operations in (("encoder", plan.encoder), ("decoder", plan.decoder)):
        artists = named(figure, f"{part}:")
        for operation in with_a_place(operations):
            shapes[part, operation.name] = operation.output_shape
            fronts[part, operation.name] = artists[operation.name]
    for one, other in itertools.combinations(shapes, 2):
        height, _, channels = np.sign(np.subtract(shapes[one], shapes[other]))
        taller = fronts[one].get_height() - fronts[other].get_height()
        wider = fronts[one].get_width() - fronts[other].get_width()
        assert np.sign(round(taller, 9)) == height
        assert np.sign(round(wider, 9)) == channels


def test_boxes_without_a_kernel_are_white(plan, figure):
    for part, operations in (("encoder", plan.encoder), ("decoder", plan.decoder)):
        fronts = named(figure, f"{part}:")
        for operation in with_a_place(operations):
            is_white = to_hex(fronts[operation.name].get_facecolor()) == "#ffffff"
            assert is_white == isinstance(operation, Pool | SpaceToDepth | Upsample), operation.name


def test_the_head_tells_the_totals_and_the_code_its_values_and_bits(plan, figure):
    said = " ".join(texts(figure))
    values, image_bits = math.prod(plan.encoder[-1].output_shape), 8 * math.prod(plan.image_shape)
    for number in (plan.parameters, plan.macs, values, 32 * values, image_bits):
        assert f"{number:,} " in said
    assert f"{32 * values / image_bits:.3g} times" in said
    assert (f"switches of up to {plan.code.switch_bits:,} bits" in said) == any(
        isinstance(op, Upsample) and op.switches_from is not None for op in plan.decoder
    )
    assert f"{values:,} value{'s' if values > 1 else ''}" in texts(figure)
    code = named(figure)["code"]
    assert code.get_linewidth() > max(front.get_linewidth() for front in named(figure, "encoder:").values())


def test_labels_of_the_smallest_model_are_those_that_can_be_counted_by_hand():
    figure = draw_plan(PLANS["one stage"])
    # A 3x3 convolution from 1 to 4 channels has 9 x 4 weights and 4 biases, its mirror 9 x 4 x 4 and 4.
    for label in (
        "Autoencoder for images of 8x8x1",
        "conv 3x3, relu",
        "8x8x4, 40 parameters",
        "8x8x4, 148 parameters",
        "8x8x1, 37 parameters",
        "max_pool 2x2 with switches",
        "4x4x4, 0 parameters",
        "code 4x4x4",
        "64 values",
        "2,048 bits in float32",
        "switches, 128 bits",
    ):
        assert label in texts(figure)


@pytest.mark.parametrize("ending", ["png", "SVG", "pdf"])
def test_a_plan_gives_the_same_bytes_again_whatever_style_the_user_has(tmp_path, ending):
    first, second = (tmp_path / f"{name}.{ending}" for name in ("first", "second"))
    save_plan_figure(PLANS["one stage"], first)
    style = {"font.family": "serif", "lines.linewidth": 5, "patch.linewidth": 7, "svg.fonttype": "none"}
    with matplotlib.rc_context(style):
        save_plan_figure(PLANS["one stage"], second)
        assert matplotlib.rcParams["lines.linewidth"] == 5
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_a_png_is_not_blank_and_fine_enough_to_read(tmp_path):
    path = tmp_path / "plan.png"
    save_plan_figure(PLANS["dense"], path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert "Autoencoder" in image.text["Title"]
        gray = np.asarray(image.convert("L"))
        width = image.width
    # Paper and bands, hardly any ink; but in every part of the picture.
    assert all(part.max() - part.min() > 80 for part in np.array_split(gray, 8))
    assert 0.01 < (gray < 200).mean() < 0.2
    assert width / draw_plan(PLANS["dense"]).get_size_inches()[0] == pytest.approx(150, rel=0.01)


def test_an_svg_has_a_title_and_says_in_words_what_it_shows(tmp_path):
    path = tmp_path / "plan.svg"
    save_plan_figure(PLANS["tied deconvnet"], path)
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Autoencoder for images of 29x17x3"
    words = root.findtext(".//{http://purl.org/dc/elements/1.1/}description")
    assert "stage_1_pool passes switches to stage_1_max_unpool" in words
    assert "stage_3_conv_2 shares its kernel with stage_3_conv_2_transposed" in words
    assert all(op.name in words for op in with_a_place(PLANS["tied deconvnet"].operations))


def test_a_pdf_is_a_pdf(tmp_path):
    path = tmp_path / "plan.pdf"
    save_plan_figure(PLANS["one stage"], path)
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("name", ["plan.jpg", "plan", "plan.png.gz", ".png"])
def test_other_endings_are_refused_with_those_that_there_are(tmp_path, name):
    with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf\. Received: .*" + name):
        save_plan_figure(PLANS["one stage"], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere/plan.png", "file/plan.svg", "folder.pdf", "x" * 300 + ".png"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(UserError, match=name[:20]) as caught:
        save_plan_figure(PLANS["one stage"], tmp_path / name)
    assert not isinstance(caught.value, ConfigError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.pdf"]


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "plan.png"
    path.write_bytes(b"old")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", full)
    with pytest.raises(UserError, match="No space left on device"):
        save_plan_figure(PLANS["one stage"], path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.png"]


def test_a_very_long_plan_still_fits_into_a_png(tmp_path, monkeypatch):
    monkeypatch.setattr("cae.plan_figure.draw._MOST_PIXELS", 700)
    path = tmp_path / "plan.png"
    save_plan_figure(PLANS["dense"], path)
    with Image.open(path) as image:
        assert max(image.size) in (699, 700)
