"""What the pages need to become a site of their own (a hook of mkdocs)."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^()\s:#]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Leave of links to files beside docs/ only their words: the repository has these files, a site does not."""
    folder = dirname(page.file.src_uri)

    def keep(link: re.Match[str]) -> str:
        return link[1] if normpath(join(folder, link[2])).startswith("..") else link[0]

    return _LINK.sub(keep, markdown)
