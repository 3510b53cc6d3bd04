"""Every page: its links lead somewhere, and its command lines are ones that the program takes."""

import re
from pathlib import Path

import pytest
import yaml

from cae.commands import main as command_line
from scripts import make_pictures
from tests.conftest import ROOT
from tests.docs.pages import IDS, PAGES, anchors, command_lines, links

PROGRAMS = {("python", "train.py"): ["train"], ("python", "evaluate.py"): ["evaluate"], ("python", "-m", "cae"): []}

SINGLE = [[command] for command in command_line.COMMANDS if command != "train"]


def arguments_of(words):
    """What a command line gives the program; None where it is another's."""
    for start, command in PROGRAMS.items():
        if tuple(words[: len(start)]) == start:
            return [*command, *words[len(start) :]]
    return words[1:] if words[0] == "cae" and len(words) > 1 and words[1] in command_line.COMMANDS else None


def refusal(arguments, capsys):
    """What the real parser says against it; empty for nothing."""
    try:
        command_line._make_parser(arguments).parse_args(arguments)
    except SystemExit as error:
        return capsys.readouterr().err.splitlines()[-1] if error.code else ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_within_the_repository_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    lost = []
    for link in links(text):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        found = target.exists()
        if found and fragment and target.suffix == ".md":
            found = fragment in anchors(target.read_text(encoding="utf-8"))
        if not found:
            lost.append(link)
    assert lost == []


def test_pictures_are_made_by_the_commands_that_stand_beside_them():
    pages = {"codes": "docs/codes.md", "features": "docs/features/README.md"}
    for name in ("dashboards", "quickstart", "comparison", *pages):
        text = (ROOT / pages.get(name, "README.md")).read_text(encoding="utf-8")
        assert [command for command in make_pictures.COMMANDS[name] if command not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_line_is_taken_by_the_program(page, capsys):
    refused = {}
    for words in command_lines(page.read_text(encoding="utf-8")):
        arguments = arguments_of(words)
        # In prose `python -m cae describe` alone may name a command; dots and brackets stand for anything.
        if not arguments or re.search(r"\.\.\.|\[", " ".join(words)) or arguments in SINGLE:
            continue
        if said := refusal(arguments, capsys):
            refused[" ".join(words)] = said
        for word in arguments:
            if re.fullmatch(r"(configs|docs|examples|cae)/\S+\.\w+", word) and not (ROOT / word).exists():
                refused[" ".join(words)] = f"{word} is not there"
    assert refused == {}


def test_command_lines_are_found_at_all_and_wrong_ones_refused(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [arguments for words in command_lines(readme) if (arguments := arguments_of(words))]
    assert {"train", "evaluate", "visualize", "describe"} <= {arguments[0] for arguments in found}
    assert "unrecognized arguments: --fast" in refusal(["train", "--fast"], capsys)
    assert "invalid choice" in refusal(["trian"], capsys)


def test_every_page_is_in_the_list_of_pages():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in links(index.read_text(encoding="utf-8"))}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs") and page != index}
    # Folders with a page of their own lead on to what is in them.
    covered = {page for page in pages for other in listed if other.name == "README.md" and other.parent in page.parents}
    assert pages - listed - covered == set()


def test_the_site_has_a_page_for_each_entry_of_its_menu():
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    files = [Path(file) for entry in menu for file in entry.values()]
    there = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*")}
    assert [file for file in files if not {file, file.with_suffix(".ipynb")} & there] == []
