"""The page on how the code is laid out: its table of rooms, and what it says of adding a source or a loss."""

import ast
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

import cae
from cae.config.objective import Reconstruction
from cae.data.sources import MODULES
from cae.training.objective import TERMS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ABOVE_ALL = ("cae/__init__.py", "cae/__main__.py")


def rooms():
    """Each room's place in the table, counted from the top."""
    rows = [row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `cae/")]
    return {name: place for place, row in enumerate(rows) for name in re.findall(r"`cae/([\w.]+)`", row)}


def imports_of(path):
    """Line and module of all that a file imports of the package; of its types, only what is there at run time."""
    tree = ast.parse(path.read_text())
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in set(ast.walk(tree)) - for_types:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "cae")
        elif isinstance(node, ast.ImportFrom) and node.module == "cae":
            yield from ((node.lineno, f"cae.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cae."):
            yield node.lineno, node.module


def test_every_room_imports_from_rooms_above_it_in_the_table_only():
    places, backwards = rooms(), []
    for path in sorted((ROOT / "cae").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name in ABOVE_ALL:
            continue
        for line, module in imports_of(path):
            other = [*module.split("."), ""][1]
            other = other if other in places else f"{other}.py"
            if places.get(other, len(places)) > places[name.split("/")[1]]:
                backwards.append(f"{name}:{line} imports {module}")
    assert backwards == []


def test_the_table_has_every_room_and_no_other():
    there = {
        f"{path.name}" for path in (ROOT / "cae").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(rooms()) == there - {Path(name).name for name in ABOVE_ALL}


def test_no_folder_has_more_files_than_a_reader_keeps_in_mind():
    numbers = {
        folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py")))
        for folder in [ROOT / "cae", *(ROOT / "cae").rglob("*/")]
    }
    assert {folder: number for folder, number in numbers.items() if number > 15} == {}


def public_definitions():
    """Public classes, functions and methods of all modules: name, definition and the class around it."""
    for found in pkgutil.walk_packages(cae.__path__, "cae."):
        if found.name.endswith("__main__"):
            continue
        module = import_module(found.name)
        for name, one in vars(module).items():
            if name.startswith("_") or getattr(one, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(one):
                yield f"{found.name}.{name}", one, None
                for key, method in vars(one).items():
                    if not key.startswith("_") and (inspect.isfunction(method) or isinstance(method, property)):
                        yield f"{found.name}.{name}.{key}", method, one
            elif inspect.isfunction(one):
                yield f"{found.name}.{name}", one, None


def test_every_public_definition_has_a_docstring_of_its_own_or_of_what_it_overrides():
    without = []
    for name, one, owner in public_definitions():
        key = name.rpartition(".")[2]
        bases = owner.__mro__ if owner else ()
        if not (one.__doc__ or any(getattr(vars(base).get(key), "__doc__", None) for base in bases)):
            without.append(name)
    assert without == []


ENTRY = re.compile(r"    [*\w, ]+: ([A-Z][a-z]*)\b(?!-)")
NAMES = {"None", "True", "False", "Keras", "Python", "Path", "Student"}


def test_entries_of_docstrings_begin_with_a_small_letter():
    capital = []
    for path in sorted((ROOT / "cae").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for section in re.split(r"\n(?=\S)", ast.get_docstring(node) or ""):
                    if section.startswith(("Args:", "Call arguments:", "Raises:")):
                        words = [found[1] for found in map(ENTRY.match, section.splitlines()) if found]
                        capital += [f"{path.name}: {node.name}: {word}" for word in words if word not in NAMES]
    assert capital == []


def test_every_source_and_every_loss_has_its_row():
    assert set(TERMS) == set(Reconstruction.model_fields)
    for name in set(MODULES.values()):
        assert callable(import_module(name).load)


def blocks(heading):
    """The code under a heading of the page."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def insert(path, before, text):
    """Write text before the only place of another text."""
    there = path.read_text()
    assert there.count(before) == 1
    path.write_text(there.replace(before, text + before))


ADDED = """
import numpy as np
from cae.config import check_config, load_config
from cae.data.load import load_splits
from cae.data.sources import find_image_shape
from cae.errors import ConfigError
from cae.training.objective import Objective

config = load_config("c.yaml")
splits = load_splits(config.data)
print(find_image_shape(config.data), len(splits.train), len(splits.validation), len(splits.test))
images = splits.test.read([0, 1])
np.savez("found.npz", images=images, losses=Objective(config.objective).per_image(images, 0.5 * images, images))
try:
    check_config({"data": {"source": "checkers", "image": 5}})
except ConfigError as error:
    print(error)
"""


def test_a_source_and_a_loss_are_added_as_the_page_says(tmp_path):
    package = tmp_path / "cae"
    shutil.copytree(ROOT / "cae", package, ignore=shutil.ignore_patterns("__pycache__", "bundled", "static"))
    section, module, row = blocks("To add a data source")
    insert(package / "config" / "data.py", "BuiltInData = ", f"{section}\n\n")
    insert(package / "config" / "data.py", "BundledData | StandardData |", "CheckersData | ")
    (package / "data" / "sources" / "checkers.py").write_text(module)
    insert(package / "data" / "sources" / "__init__.py", "    BundledData,\n", "    CheckersData,\n")
    insert(package / "data" / "sources" / "__init__.py", "    BundledData:", row)
    key, function, row = blocks("To add a loss")
    insert(package / "config" / "objective.py", "    mse: Weight", key)
    insert(package / "training" / "objective.py", "TERMS: dict", f"{function}\n\n")
    insert(package / "training" / "objective.py", '    "mse": ', row)
    (tmp_path / "c.yaml").write_text(
        "data: {source: checkers, path: nowhere, images: 50}\nobjective: {reconstruction: {charbonnier: 2}}\n"
    )
    done = subprocess.run([sys.executable, "-c", ADDED], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(16, 16, 1) 41 4 5\n")
    assert "data.image: unknown key; did you mean images?" in done.stdout
    found = np.load(tmp_path / "found.npz")
    images = found["images"]
    expected = 2 * np.sqrt((images - 0.5 * images) ** 2 + 1e-6).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-5)
