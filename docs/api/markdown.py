"""Objects of a package, as Markdown: signature, docstring, members."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import griffe

WIDTH = 100
_DOCTEST = re.compile(r"(?:^>>> .*\n?(?:^(?!\n).+\n?)*)+", re.MULTILINE)


def describe(obj: griffe.Object | griffe.Alias, name: str, level: int, *, with_members: bool) -> Iterator[str]:
    """Yield the blocks of an object's description.

    Args:
        obj: A class, a function or an attribute.
        name: As users write it.
        level: Of the heading.
        with_members: Whether a class's methods and properties follow, those of its bases in this package as well.
    """
    if obj.is_alias:
        obj = obj.final_target
    yield f"{'#' * level} `{name}`"
    if obj.is_attribute and obj.annotation:
        yield _fenced(f"{name.rpartition('.')[2]}: {obj.annotation}")
    if obj.is_function or (obj.is_class and _parameters(obj)):
        yield _fenced(_signature(obj, name.rpartition(".")[2]))
    yield from _docstring(obj)
    if with_members:
        members = [member for member in obj.all_members.values() if _is_public(member)]
        keys = [member for member in members if member.is_attribute and "property" not in member.labels]
        if keys:
            yield "\n".join(
                f"- `{key.name}: {key.annotation} = {key.value}`: {_flat(key.docstring.value)}" for key in keys
            )
        for member in members:
            if member not in keys:
                yield from describe(member, f"{name.rpartition('.')[2]}.{member.name}", level + 1, with_members=False)


def _is_public(member: griffe.Object | griffe.Alias) -> bool:
    is_own = not member.is_alias or member.inherited
    return bool(member.docstring) and not member.name.startswith("_") and is_own


def _parameters(obj: griffe.Object | griffe.Alias) -> list[griffe.Parameter]:
    """A class's are its constructor's; the object itself is left out, where there is one."""
    is_static = obj.is_function and "staticmethod" in obj.labels
    bound = not is_static and (obj.is_class or (obj.parent is not None and obj.parent.is_class))
    return [parameter for parameter in obj.parameters if not (bound and parameter.name in ("self", "cls"))]


def _signature(obj: griffe.Object | griffe.Alias, name: str) -> str:
    parts = []
    for parameter in _parameters(obj):
        keyword_only = parameter.kind is griffe.ParameterKind.keyword_only
        if keyword_only and "*" not in parts and not any(part.startswith("*") for part in parts):
            parts.append("*")
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
        text = stars.get(parameter.kind, "") + parameter.name
        text += f": {parameter.annotation}" if parameter.annotation else ""
        if parameter.default is not None and parameter.kind not in stars:
            text += f"{' = ' if parameter.annotation else '='}{parameter.default}"
        parts.append(text)
    returns = f" -> {obj.returns}" if obj.is_function and obj.returns else ""
    line = f"{name}({', '.join(parts)}){returns}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){returns}"])


def _docstring(obj: griffe.Object | griffe.Alias) -> Iterator[str]:
    for section in obj.docstring.parsed if obj.docstring else ():
        if section.kind is griffe.DocstringSectionKind.text:
            yield from _text(section.value)
        elif section.kind is griffe.DocstringSectionKind.parameters:
            yield "**Arguments**\n\n" + "\n".join(
                f"- `{item.name}`: {_flat(item.description)}" for item in section.value
            )
        elif section.kind is griffe.DocstringSectionKind.returns:
            yield "**Returns:** " + " ".join(_flat(item.description) for item in section.value)
        elif section.kind is griffe.DocstringSectionKind.raises:
            items = (f"- `{item.annotation}`: {_flat(item.description)}" for item in section.value)
            yield "**Raises**\n\n" + "\n".join(items)
        elif section.kind is griffe.DocstringSectionKind.admonition:
            yield from _admonition(section.title or "", section.value.description)
        else:
            raise ValueError(f"{obj.path}: this page has no form for a section of the kind {section.kind}")


def _admonition(title: str, text: str) -> Iterator[str]:
    if title == "Example":
        yield _fenced(inspect.cleandoc(text))
    elif title in ("Call arguments", "Args"):
        items = re.sub(r"^(\w+):", r"- `\1`:", _joined(text), flags=re.MULTILINE)
        yield f"**{title}**\n\n{items}"
    else:
        yield f"**{title}:** {_flat(text)}"


def _text(text: str) -> Iterator[str]:
    """Paragraphs; examples in them become code."""
    position = 0
    for example in _DOCTEST.finditer(text):
        before = text[position : example.start()].strip().removesuffix("Example:").strip()
        yield from filter(None, [before])
        yield _fenced(example.group().strip())
        position = example.end()
    yield from filter(None, [text[position:].strip()])


def _joined(text: str) -> str:
    """Lines that go on are joined to the ones that they belong to."""
    return re.sub(r"\n\s+", " ", inspect.cleandoc(text))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"
