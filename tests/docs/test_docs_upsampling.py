"""The document on upsampling: its examples, links, pictures and tables."""

from __future__ import annotations

import doctest
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from cae.config import check_config
from docs.upsampling import __main__ as script
from docs.upsampling import board, sizes, transposed
from docs.upsampling.__main__ import DOCUMENT, FIGURES, TABLES, with_tables
from docs.upsampling.board import as_json, carried_numbers

TEXT = DOCUMENT.read_text(encoding="utf-8")
FOLDER = DOCUMENT.with_suffix("")
ANIMATION = FOLDER / "transposed.gif"
PICTURES = dict(re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", TEXT))


def test_every_example_in_the_document_holds():
    results = doctest.testfile(str(DOCUMENT), module_relative=False, encoding="utf-8")

    assert results.attempted > 30
    assert results.failed == 0


@pytest.mark.parametrize("module", [script, board, sizes])
def test_every_example_in_the_script_holds(module):
    assert doctest.testmod(module) == (0, 1)


def test_every_block_of_code_is_an_example_that_runs():
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    configurations = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

    assert TEXT.count("```") == 2 * (len(blocks) + len(configurations))
    # Without the empty line doctest would take the block's end for expected output.
    assert all(block.startswith(">>> ") and block.endswith("\n\n") for block in blocks)
    for text in configurations:
        check_config(yaml.safe_load(text))


def test_every_link_within_the_repository_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    assert links
    assert [link for link in links if not link.startswith("https://") and not (DOCUMENT.parent / link).is_file()] == []


def test_every_picture_in_the_folder_is_shown_and_described():
    shown = {(DOCUMENT.parent / path).name for path in PICTURES.values()}

    assert shown == {path.name for path in FOLDER.iterdir() if path.suffix in {".png", ".gif"}}
    assert shown == {f"{name}.png" for name in FIGURES} | {ANIMATION.name}
    assert all(len(description) > 60 for description in PICTURES)


def test_the_tables_are_those_the_script_makes():
    assert all(f"<!-- table {name} -->\n|" in TEXT for name in TABLES)
    assert with_tables(TEXT) == TEXT


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_shows_the_numbers_that_the_script_computes(name):
    assert as_json(carried_numbers(FOLDER / f"{name}.png")) == as_json(FIGURES[name].numbers())


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_the_one_that_the_script_draws(name):
    drawn = FIGURES[name].draw(FIGURES[name].numbers()).image()

    with Image.open(FOLDER / f"{name}.png") as committed:
        assert_alike(committed, drawn)


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    figure = FIGURES["unpooling"]
    for name in ("first.png", "second.png"):
        figure.draw(figure.numbers()).save(tmp_path / name, figure.numbers())

    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_the_animation_shows_each_step_and_each_output_and_is_small():
    found = transposed.numbers()
    scenes = transposed.scenes(found)

    assert len(scenes) == 3 + 6 * 6
    assert as_json(carried_numbers(ANIMATION)) == as_json(found)
    assert ANIMATION.stat().st_size < 300_000
    with Image.open(ANIMATION) as animation:
        assert animation.n_frames == len(scenes)
        assert animation.info["loop"] == 0  # for ever
        for number in (1, 17, len(scenes) - 1):
            animation.seek(number)
            assert animation.info["duration"] == scenes[number].duration
            assert_alike(animation, transposed.draw_scene(found, scenes[number]).image())


def assert_alike(committed, drawn):
    """Of one size, and alike but for what another version of the drawing library does to letters' edges."""
    assert committed.size == drawn.size
    difference = np.asarray(committed.convert("RGB"), int) - np.asarray(drawn, int)
    assert np.mean(np.abs(difference).max(axis=-1) > 60) < 0.01
