"""The Markdown pages of the project, taken apart."""

import re
import shlex

from tests.conftest import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "cae").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\\)!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HTML_LINK = re.compile(r"(?:src|href)=\"([^\"]+)\"")


def blocks(text, language):
    """The contents of fenced blocks of a language."""
    return [match[3] for match in _FENCE.finditer(text) if match[2] == language]


def prose(text):
    """The text without its fenced blocks, with `code` in it."""
    return _FENCE.sub("", text)


def links(text):
    """Where links and pictures lead; what stands in `code` is none."""
    text = re.sub(r"`[^`\n]*`", "`code`", prose(text))
    return [*_LINK.findall(text), *_HTML_LINK.findall(text)]


def anchors(text):
    """What #fragments can name: headings, as hosts of repositories and mkdocs make anchors of them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found | set(re.findall(r"(?:id|name)=\"([^\"]+)\"", text))


def command_lines(text):
    """Command lines in blocks of shell and in prose, each as a list of words, without comments and pipes."""
    shell = "".join(blocks(text, "sh") + blocks(text, "bash") + blocks(text, "console")).replace("\\\n", " ")
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(text))]
    for line in [*shell.splitlines(), *inline]:
        for part in re.split(r"&&|\|(?!\|)|;", line.split(" #")[0]):
            try:
                words = shlex.split(re.sub(r"\$\w+", "1", part.removeprefix("$ ")))
            except ValueError:
                continue  # half of something in prose
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                yield words
