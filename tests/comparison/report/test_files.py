"""The comparison's files: that they say the same, say it whole, and let no name become markup."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cae.comparison.report import write_report
from cae.comparison.report.page import render_page
from tests.comparison.example import make_example
from tests.comparison.report.parsed import Page, markdown_tables

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$x^ \\frac{ | `rm` *a* _b_ [c](d) \n# e",
    "_a_very_long_label_" * 20,
    "bytes \udc80 and 中文 \x07",
)


RANKED_BY_PSNR = "PSNR (dB), 95% interval over seeds"


def write(folder, comparison, exhibits):
    write_report(comparison, exhibits, folder)
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    return json.loads((folder / "comparison.json").read_text()), text, page


@pytest.fixture(scope="module")
def example():
    return make_example(num_contenders=5)


@pytest.fixture(scope="module")
def written(example, tmp_path_factory):
    return write(tmp_path_factory.mktemp("report") / "not" / "there yet", *example)


def test_the_json_is_the_record(example, written):
    assert written[0] == json.loads(json.dumps(example[0].as_dict()))


def test_the_page_and_the_markdown_have_the_records_figures(written):
    record, text, page = written
    html = Page(page).tables["ranking"]
    assert markdown_tables(text)["Decoders, sorted by PSNR (dB)"] == html
    assert [row[1] for row in html[1:]] == [contender["label"] for contender in record["contenders"]]
    for row, contender in zip(Page(page).records("ranking"), record["contenders"], strict=True):
        psnr = contender["metrics"]["psnr"]
        assert row[RANKED_BY_PSNR] == f"{psnr['mean']:.2f} ({psnr['low']:.2f} to {psnr['high']:.2f})"
        assert row["SSIM"] == f"{contender['metrics']['ssim']['mean']:.4f}"
        assert float(row["MSE"]) == pytest.approx(contender["metrics"]["mse"]["mean"], rel=5e-4)
        assert row["parameters"] == f"{contender['parameters']:,}"
        assert row["MACs an image"] == f"{contender['macs_per_image']:,}"
        assert row["code values"] == "196"
        assert row["switch bits"] == f"{contender['code']['switch_bits']:,}"


def test_the_main_table_is_narrow_and_the_rest_is_in_that_of_all_metrics(written):
    record, _, page = written
    parsed = Page(page)
    assert parsed.tables["ranking"][0] == [
        *(
            "place",
            "decoder",
            RANKED_BY_PSNR,
            "not significantly different from place",
            "SSIM",
            "MSE",
            "high-frequency ratio",
        ),
        *("parameters", "MACs an image", "code values", "switch bits"),
    ]
    for row, contender in zip(parsed.records("all_metrics"), record["contenders"], strict=True):
        assert row["MS-SSIM"].startswith(f"{contender['metrics']['ms_ssim']['mean']:.4f} (")
        for column, name in [("MAE", "mae"), ("loss", "loss")]:
            assert float(row[column].split()[0]) == pytest.approx(contender["metrics"][name]["mean"], rel=5e-4)
        assert int(row["code + switch bits"].replace(",", "")) == 196 * 32 + contender["code"]["switch_bits"]
        assert row["seeds"] == "3"


def test_every_table_is_the_same_on_the_page_and_in_the_markdown(written):
    _, text, page = written
    parsed = Page(page)
    assert sorted(parsed.tables.values()) == sorted(markdown_tables(text).values())
    assert len(parsed.tables) == 12


def test_verdicts_stand_in_every_table_of_pairs(tmp_path):
    comparison, exhibits = make_example(num_contenders=3)
    first, second, third = (contender.label for contender in comparison.contenders)
    verdicts = {(first, second): "undecided", (first, third): "better", (second, third): "equivalent"}
    pairs = tuple(
        replace(one, verdict=verdicts[one.first, one.second], seeds_needed=4 if one.second == second else None)
        for one in comparison.pairs
    )
    _, text, page = write(tmp_path, replace(comparison, pairs=pairs), exhibits)
    parsed = Page(page)
    alike = [row["not significantly different from place"] for row in parsed.records("ranking")]
    assert alike == ["2", "1 (best); equivalent to 3", "equivalent to 2"]
    verdict = [row["verdict"] for row in parsed.records("pairs")]
    assert verdict == ["undecided (needs about 4 more)", "better", "equivalent"]
    marked = [[cell[0] if cell[0] in "≈=" else "" for cell in row[1:]] for row in parsed.tables["matrix"][1:]]
    assert marked == [["", "≈", ""], ["≈", "", "="], ["", "=", ""]]
    for whole in (text, " ".join(parsed.text)):
        assert f"ot significantly different from {second}" in whole


def test_one_seed_is_not_taken_for_proof(tmp_path):
    record, text, page = write(tmp_path, *make_example(2, 1, images_per_block=1))
    assert record["answer"]["confidence"] == "undecided"
    assert "Undecided: max_unpool came first in PSNR, but one seed says nothing about another training." in text
    assert [row["adjusted p"] for row in Page(page).records("pairs")] == ["one seed"]


def test_the_matrix_is_row_minus_column(example, written):
    cells = Page(written[2]).tables["matrix"]
    means = [contender.metrics["psnr"].mean for contender in example[0].contenders]
    for i, row in enumerate(cells[1:]):
        for j, cell in enumerate(row[1:]):
            expected = "-" if i == j else pytest.approx(means[i] - means[j], abs=0.0051)
            assert (cell if i == j else float(cell.removeprefix("≈ ").removeprefix("= "))) == expected


def test_ablations_say_how_many_times_as_high_the_error_is(example, written):
    labels = {contender.label: contender for contender in example[0].contenders}
    for row in Page(written[2]).records("ablations"):
        contender = labels[row["decoder"]]
        assert row["latent zeroed"].endswith("), 30.0 times")
        shuffled = row["switches of another image"]
        if contender.upsampling == "max_unpool":
            assert float(shuffled.split()[0]) == pytest.approx(25 * contender.metrics["mse"].mean, rel=1e-3)
            assert shuffled.endswith("), 25.0 times")
        else:
            assert shuffled == "no switches"


def test_the_answer_names_the_switches_and_the_best_without_any(example, written):
    record, text, page = written
    best, second = record["contenders"][:2]
    assert best["code"]["switch_bits"] == 3136
    for whole in (text, " ".join(Page(page).text)):
        assert f"Use {best['label']}: it is significantly better in PSNR" in whole
        assert f"{best['label']}: PSNR {best['metrics']['psnr']['mean']:.2f} dB" in whole
        bypassing, own = (best["bits"][name]["mean"] for name in ("switches_entropy_given_place", "code"))
        assert f"{bypassing:,.0f} bits an image, as measured, bypass the code of {own:,.0f} (8 bits" in whole
        assert best["ablations_in_words"] in whole
        assert f"Without switches, {second['label']} is best, at place 2: " in whole
        for group in ("equal", "unequal", "warnings"):
            assert all(sentence in whole for sentence in record["terms"][group])


def test_less_of_an_error_is_better(tmp_path):
    comparison, exhibits = make_example(metric="mse")
    record, text, page = write(tmp_path, comparison, exhibits)
    column = [float(row["MSE, 95% interval over seeds"].split()[0]) for row in Page(page).records("ranking")]
    assert column == sorted(column)
    assert f"Use {record['contenders'][0]['label']}: it is significantly better in MSE" in text
    assert "Above zero the second one is better." in text
    baselines = {row["baseline"]: row["decoders better in MSE"] for row in Page(page).records("baselines")}
    mse = [contender["metrics"]["mse"]["mean"] for contender in record["contenders"]]
    assert baselines["pca"] == f"{sum(value < 0.0042 for value in mse)} of 4"


@pytest.mark.parametrize("num_contenders", [1, 12])
def test_reports_of_one_and_of_twelve_contenders(num_contenders, tmp_path):
    is_alone = num_contenders == 1
    options = {"has_ms_ssim": False, "has_switches": False, "num_seeds": 1} if is_alone else {}
    comparison, exhibits = make_example(num_contenders, images_per_block=1, **options)
    record, text, page = write(tmp_path, comparison, exhibits)
    parsed = Page(page)
    assert len(parsed.records("ranking")) == len(record["contenders"]) == num_contenders
    assert ("Nothing was compared" in text) == is_alone
    assert ("MS-SSIM" in text) != is_alone
    assert ("pairs" in parsed.tables) != is_alone
    assert ("No decoder here uses switches." in text) == is_alone
    assert ("one seed" in parsed.records("ranking")[0][RANKED_BY_PSNR]) == is_alone
    if is_alone:
        assert "None" not in text
        assert "nan" not in text


def test_hostile_names_stay_text(tmp_path):
    title = "runs </title><script>alert(2)</script>"
    comparison, exhibits = make_example(5, 1, labels=HOSTILE, title=title, images_per_block=1)
    terms = replace(comparison.terms, warnings=("<b>bold</b> `<i>code | $` and ``two``",))
    exhibits = replace(exhibits, blocks=dict.fromkeys(exhibits.blocks, ("<i>&.png",)))
    comparison = replace(comparison, terms=terms)
    _, text, page = write(tmp_path, comparison, exhibits)
    parsed = Page(page)
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "b", "i", "iframe", "object"}
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    labels = [row["decoder"] for row in parsed.records("ranking")]
    assert labels[:2] == list(HOSTILE[:2])
    assert labels[3] == HOSTILE[3]
    assert "\\x07" in labels[4]
    assert "<i>&.png" in "".join(parsed.text)
    assert ("code", {}) in parsed.elements
    assert "- \\<b\\>bold\\</b\\> `<i>code | $` and \\`\\`two\\`\\`\n" in text
    text = text.replace("`<i>code | $`", "")
    outside = re.sub(r"\\.", "", text).replace("![The same", "").replace("](comparison.png)", "").replace("**", "")
    assert not set("<>`$*[]#") & set(re.sub(r"^#+ ", "", outside, flags=re.MULTILINE))
    ranking = [row for row in text.splitlines() if row.startswith("|")][:7]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in ranking}) == 1


def test_figures_with_hostile_names_are_whole_pictures(tmp_path):
    comparison, exhibits = make_example(5, 2, labels=HOSTILE, images_per_block=1)
    _, _, page = write(tmp_path, comparison, exhibits)
    kinds = []
    for image in Page(page).every("img"):
        kind, content = re.fullmatch(r"data:image/([a-z+]+);base64,(.*)", image["src"]).groups()
        kinds.append(kind)
        content = base64.b64decode(content)
        if kind == "png":
            assert Image.open(io.BytesIO(content)).convert("RGB").size > (0, 0)
        else:
            assert b"<script" not in content
            assert b"<text" not in content  # outlines: no font is needed
    assert kinds.count("svg+xml") == 3
    assert kinds.count("png") == 3 * (1 + 5) + 1


def test_bits_stand_in_a_table_and_in_the_figure_of_rates_beside_the_codecs(example, written):
    _, text, page = written
    rows = Page(page).records("bits")
    for row, contender in zip(rows, example[0].contenders, strict=True):
        assert row["together"] == f"{contender.bits['total'].mean:,.0f}"
        has_switches = "switches_entropy" in contender.bits
        assert (row["switches, at most"] == "3,136") == has_switches == (row["switches, place known"] != "-")
    (rates,) = [one["alt"] for one in Page(page).every("img") if "PSNR against measured bits" in one["alt"]]
    assert "JPEG: 400 bits, 19.50 dB to 2,500 bits, 28.00 dB" in rates
    assert f"{rows[0]['decoder']}: {rows[0]['together']} bits" in rates
    assert "JPEG and WebP on 2,000 of these images, without headers" in "".join(Page(page).text)
    assert "Side information is what bypasses the code" in text


def test_without_measured_bits_there_is_neither_table_nor_figure_of_them(example):
    comparison, exhibits = example
    unmeasured = replace(comparison, contenders=tuple(replace(one, bits={}) for one in comparison.contenders))
    page = render_page(unmeasured, exhibits)
    assert "bits" not in Page(page).tables
    assert "PSNR against measured bits" not in page


def test_the_page_needs_nothing_else(written):
    parsed = Page(written[2])
    addresses = [
        attributes[name]
        for _, attributes in parsed.elements
        for name in ("src", "href", "srcset", "data", "action")
        if name in attributes
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(" not in written[2]
    assert "@import" not in written[2]
    assert not re.search(r"https?://", re.sub(r"base64,[A-Za-z0-9+/=]+", "", written[2]))


def test_every_picture_says_in_words_and_figures_what_it_shows(example, written):
    alternatives = [image["alt"] for image in Page(written[2]).every("img")]
    assert len(alternatives) == 2 + 6 * (1 + 5) + 1 + 1
    assert len(set(alternatives)) == len(alternatives)
    assert all(re.search(r"\d\.\d", text) for text in alternatives)
    label = example[0].contenders[1].label
    psnr = example[1].psnr["median"][label][1]
    assert any(f"median_1.png reconstructed by {label}" in text and f"{psnr:.1f} dB" in text for text in alternatives)


def test_tables_can_be_read_aloud(written):
    parsed = Page(written[2])
    assert len(parsed.every("caption")) == len(parsed.every("table")) == 12
    assert all(cell.get("scope") in ("col", "row") for cell in parsed.every("th"))
    rows = sum(len(rows) - 1 for rows in parsed.tables.values())
    assert sum(cell["scope"] == "row" for cell in parsed.every("th")) == rows
    headings = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))


def test_the_same_comparison_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder, *make_example(2, images_per_block=1))
    for name in ("comparison.json", "comparison.md", "comparison.html", "comparison.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 4


def test_a_figure_that_is_not_finite_is_refused_before_anything_is_written(tmp_path):
    comparison, exhibits = make_example(2, images_per_block=1)
    broken = replace(comparison, baselines={"pca": {"psnr": float("nan"), "values": 3.0}})
    with pytest.raises(ValueError, match="JSON"):
        write_report(broken, exhibits, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_users_style_of_figures_is_left_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    write(tmp_path, *make_example(2, images_per_block=1))
    assert dict(matplotlib.rcParams) == before
    assert np.isfinite(before["font.size"])


def test_ratios_are_told_apart_by_their_distance_from_one(tmp_path):
    comparison, exhibits = make_example(2, metric="high_frequency_ratio", images_per_block=1)
    ratios = [contender.metrics["high_frequency_ratio"].mean for contender in comparison.contenders]
    assert max(ratios) < 0.9
    baselines = {"sharp": {"high_frequency_ratio": 1.1}, "loud": {"high_frequency_ratio": 2.0}}
    _, text, page = write(tmp_path, replace(comparison, baselines=baselines), exhibits)
    # Of baselines there are mean ratios only, and decoders are compared by each image's distance from 1.
    better = [row["decoders better in high-frequency ratio"] for row in Page(page).records("baselines")]
    assert better == ["-", "-"]
    assert "reached more than the best decoder" not in text
    assert "Decoders, sorted by distance of each image's high-frequency ratio from 1" in text
    assert "Paired differences in distance of each image's high-frequency ratio from 1" in text
    assert "Above zero the second one is better." in text


def test_layers_artefacts_are_named_by_their_stage(tmp_path):
    comparison, exhibits = make_example(2, images_per_block=1)
    contenders = tuple(
        replace(one, artefacts={"unevenness_stage_2": one.metrics["mae"], "prominence_db_4": one.metrics["ssim"]})
        for one in comparison.contenders
    )
    _, _, page = write(tmp_path, replace(comparison, contenders=contenders), exhibits)
    tables = Page(page).tables
    assert tables["artefacts"][0] == ["decoder", "prominence (dB), period 4"]
    assert tables["unevenness"][0] == ["decoder", "unevenness of gain, stage 2"]
