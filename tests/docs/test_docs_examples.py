"""The README's and the API page's lines do what they say, and the API page says what the docstrings say."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cae
from docs.api.__main__ import DOCUMENT, page
from tests.conftest import ROOT, make_images
from tests.docs.pages import blocks
from tests.inference.runs import make_run

README = (ROOT / "README.md").read_text(encoding="utf-8")
PHOTOS = 12
LINK = re.compile(r'(?:href|src)="(?!https?:|data:|mailto:)([^"#]+)')
MODEL = {"encoder": {"filters": [4, 6]}, "bottleneck": {"kind": "spatial", "channels": 3}}


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def size(picture):
    with Image.open(picture) as image:
        return image.size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the README's lines speak of: a run of the quickstart, and photos."""
    folder = tmp_path_factory.mktemp("readme")
    make_run(folder / "runs/quickstart/conv_transpose", (28, 28, 1), MODEL, data={"source": "bundled"})
    (folder / "photos").mkdir()
    for number, pixels in enumerate(make_images(PHOTOS, 40, 52, channels=3)):
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    return folder


def test_five_lines_train_on_a_folder_of_photographs(folder, monkeypatch, run_command):
    monkeypatch.chdir(folder)
    (text,) = blocks(section("Your own images, in five lines"), "yaml")
    assert len(text.splitlines()) == 5
    Path("mine.yaml").write_text(text)
    code, out, err = run_command("train", "mine.yaml", "--set", "training.epochs=1")
    assert code == 0, err
    assert out.splitlines()[-1] == "runs/mine/run"
    assert Path("runs/mine/run/reconstructions.png").exists()


def test_the_lines_on_using_a_trained_run_work_one_after_another(folder, monkeypatch, run_command):
    monkeypatch.chdir(folder)
    (lines,) = blocks(section("Use what was trained"), "sh")
    for line in lines.splitlines():
        program, *arguments = shlex.split(line.removeprefix("python -m "))
        code, _, err = run_command(*arguments)
        assert (program, code) == ("cae", 0), f"{line}\n{err}"
    made = {path.name: path for path in folder.iterdir()}
    assert {"reconstructed", "codes.npz", "decoded", "scored", "model.onnx"} <= set(made)
    # Pictures keep their names and sizes; decoded ones have the model's.
    assert size(made["reconstructed"] / "0.png") == (52, 40)
    assert [size(path) for path in made["decoded"].glob("*.png")] == PHOTOS * [(28, 28)]
    assert len((made["scored"] / "scores.csv").read_text().splitlines()) == 1 + PHOTOS


def test_the_lines_on_a_loaded_run_work_one_after_another(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines, *_ = blocks((ROOT / "docs" / "using.md").read_text(encoding="utf-8"), "python")
    names = {"images": make_images(2, 28, 28)}
    exec(lines, names)
    assert names["reconstructions"].shape == names["images"].shape
    np.testing.assert_allclose(names["images_again"], names["reconstructions"], atol=1e-6)
    errors = names["reconstructions"] - names["images"] / 255
    np.testing.assert_allclose(names["scores"], (errors**2).mean(axis=(1, 2, 3)), rtol=1e-4)


def test_the_lines_of_python_work_one_after_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (lines,) = blocks(section("From Python"), "python")
    np.save("images.npy", make_images(4, 28, 28))
    names, whole = {}, '{"filters": [16, 32]}}, "training": {"epochs": 2}'
    assert whole in lines
    exec(lines.replace(whole, '{"filters": [4, 8]}}, "training": {"epochs": 1}'), names)  # done sooner
    assert Path("runs/default/small/model.weights.h5").exists()
    assert names["reconstructions"].shape == names["images"].shape
    assert names["codes"].shape == (4, *names["model"].code_shape)
    assert names["scores"].shape == (4,)
    assert f"{names['result'].summary['best']['val_psnr']}" in capsys.readouterr().out
    again = cae.load(re.search(r'cae\.load\("([^"]+)"\)', lines)[1])
    np.testing.assert_array_equal(again.encode(names["images"]), names["codes"])


def test_the_api_page_is_what_the_docstrings_say():
    assert page() == DOCUMENT.read_text(encoding="utf-8"), "run: python -m docs.api"


def test_the_api_page_has_everything_that_the_package_offers():
    headings = set(re.findall(r"^### `([\w.]+)`$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    offered = {f"cae.{name}" for name in cae.__all__ if name != "layers"}
    assert headings == offered | {f"cae.layers.{name}" for name in cae.layers.__all__}


def test_the_site_of_the_pages_can_be_built_and_each_link_in_it_leads_somewhere(tmp_path):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    pages = list((tmp_path / "site").rglob("index.html"))
    assert "MaxUnpooling2D" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    tour = (tmp_path / "site" / "tour" / "index.html").read_text(encoding="utf-8")
    assert tour.count("data:image/png;base64,") >= 6
    assert "AUROC 0.9" in tour
    found = [(page, link) for page in pages for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert len(found) > 300
    assert [(page, link) for page, link in found if not (page.parent / link).exists()] == []
    assert not list((tmp_path / "site").rglob("*.py"))
