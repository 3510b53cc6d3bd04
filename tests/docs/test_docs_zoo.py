"""Shipped configurations stand above their floors, and say what was measured."""

import json
import re

import pytest

from docs.zoo import __main__ as maker
from docs.zoo import ablation
from tests.conftest import ROOT

RECORDS = json.loads(maker.RECORD.read_text(encoding="utf-8"))
# Your own images decide what this one is worth; the others are for scores, which docs/anomaly holds beside PCA's.
OTHERS = {"my_images.yaml", "anomaly_fashion_mnist.yaml", "anomaly_surfaces.yaml"}
FILES = sorted(path.name for path in (ROOT / "configs").glob("*.yaml") if path.name not in OTHERS)


def of_file(name):
    return [record for record in RECORDS.values() if record["file"] == f"configs/{name}"]


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_configuration_is_above_the_block_klt_of_its_code(name):
    records = of_file(name)
    assert records, f"train and evaluate configs/{name}, then: python -m docs.zoo add configs/{name} RUN"
    for record in records:
        assert record["psnr"] > record["floors"]["block KLT"]


@pytest.mark.parametrize("name", FILES)
def test_its_header_says_what_it_reached_and_what_its_floors_are(name):
    lines = (ROOT / "configs" / name).read_text(encoding="utf-8").splitlines()
    header = " ".join(line[1:].strip() for line in lines if line.startswith("#"))
    said = set(re.findall(r"\d+\.\d+(?= dB)", header))
    record = max(of_file(name), key=lambda record: record["psnr"] if not record["switch_bits"] else 0.0)
    assert {f"{record['psnr']:.2f}", f"{record['floors']['PCA']:.2f}", f"{record['floors']['block KLT']:.2f}"} <= said


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("compare_")])
def test_its_header_says_how_long_the_training_of_the_record_took(name):
    text = (ROOT / "configs" / name).read_text(encoding="utf-8")
    number, unit = re.search(r"^# Time: +(a|\d+) (minute|s)", text, re.MULTILINE).groups()
    minutes = (1 if number == "a" else int(number)) / {"minute": 1, "s": 60}[unit]
    assert any(minutes == pytest.approx(record["minutes"], rel=0.1) for record in of_file(name))


def test_the_quickstart_is_two_db_above_pca_with_at_most_98_values():
    (record,) = of_file("quickstart.yaml")
    assert record["values"] <= 98
    assert record["psnr"] > record["floors"]["PCA"] + 2


def test_the_page_is_made_of_the_record():
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.with_table(page, RECORDS) == page
    for name, record in RECORDS.items():
        assert (ROOT / record["file"]).exists(), name


def test_the_page_says_what_was_still_improving_and_compares_what_had_noisy_inputs_by_clean_ones():
    said = maker.against(RECORDS)
    models = maker.of_models(RECORDS)
    for name, record in models.items():
        assert (name in said.partition("still improving")[2]) == ("not_converged" in record["warnings"])
    assert "10 of the 10 decoders of `configs/compare_decoders.yaml`" in said
    denoising = models["denoising/gaussian"]
    noisy, clean, pca = denoising["psnr"], denoising["psnr_of_clean_inputs"], denoising["floors"]["PCA"]
    assert clean < pca < noisy  # else it made no difference which of the two is compared
    assert f"From these it has {clean:.2f} dB, and PCA {pca:.2f} dB." in " ".join(said.split())
    (row,) = (line for line in maker.table(models).splitlines() if "denoising" in line)
    assert f"| {noisy:.2f} from noisy inputs, **{clean:.2f}** from clean ones |" in row
    assert f"| {clean - pca:+.2f} |" in row


def test_a_start_from_the_klt_is_after_one_epoch_where_a_random_one_is_not_after_five():
    record = json.loads(ablation.RECORD.read_text(encoding="utf-8"))
    assert all(set(seeds) == set(map(str, ablation.SEEDS)) for seeds in record.values())
    assert set(record) == set(ablation.ARMS)
    for seed, values in record[ablation.LONG].items():
        assert record["all, with the KLT"][seed][0] > max(values[:5])
