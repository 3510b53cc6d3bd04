"""What the pages need to become a site of their own (a hook of mkdocs)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import Any

from mkdocs.structure.files import File

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^()\s:#]+)\)")


def on_files(files: Any, *, config: Any) -> Any:
    """Make a page of each notebook, with what its cells have shown."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        content = "\n\n".join(_cells(json.loads(notebook.content_string)))
        files.remove(notebook)
        files.append(File.generated(config, f"{notebook.src_uri.removesuffix('.ipynb')}.md", content=content))
    return files


def _cells(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            shown = {kind: "".join(lines) for kind, lines in output.get("data", {}).items()}
            if "image/png" in shown:
                yield f"![](data:image/png;base64,{shown['image/png'].strip()})"
            else:
                text = shown.get("text/plain", "".join(output.get("text", ())))
                yield shown.get("text/html", f"```text\n{text.strip()}\n```")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Leave of links to files beside docs/ only their words: the repository has these files, a site does not.

    Links to notebooks lead to their pages.
    """
    folder = dirname(page.file.src_uri)

    def keep(link: re.Match[str]) -> str:
        is_outside = normpath(join(folder, link[2])).startswith("..")
        return link[1] if is_outside else link[0].replace(".ipynb)", ".md)")

    return _LINK.sub(keep, markdown)
