"""The package as `pip install .` leaves it, away from the repository."""

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

BUILD = "import sys, setuptools.build_meta as build; print(build.build_wheel(sys.argv[1]))"
INGREDIENTS = ("pyproject.toml", "README.md", "LICENSE", "requirements.txt")

USER = """
from pathlib import Path
import numpy as np
import cae

result = cae.train({"training": {"epochs": 1}}, overrides=["seed=1"], runs_dir=Path("runs"))
model = cae.load(result)
reconstructions: np.ndarray = model.reconstruct(np.zeros((2, 28, 28), np.uint8), size="native")
codes: np.ndarray = model.encode(reconstructions, pool="mean")
psnr = cae.evaluate(result, split="validation")["psnr"]
epochs: list[int] = [len(run.metrics) for run in result]
layer = cae.layers.MaxUnpooling2D(2)
"""
WRONG = """
import cae

cae.load(3)
cae.load("run").encode([], pool="median")
cae.train({}, runs_dirs="runs")
cae.train({}).lod()
cae.layers.MaxUnpooling3D()
cae.evaluation
cae.tarin
cae.load("run").encode_pixels
"""
CHECK_LARGE_PACKAGES_NOT = "tensorflow.*,keras.*,h5py.*,matplotlib.*,scipy.*,sklearn.*,tensorboard.*"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: a build leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in INGREDIENTS:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "cae", source / "cae", ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    subprocess.run([sys.executable, "-c", BUILD, out], cwd=source, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment that has the wheel, and the packages of this one."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    paths = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=paths))
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Path(sysconfig.get_path("scripts", scheme="venv", vars=paths)) / "python"


def run_away(python, folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    hidden = ("__pycache__", ".mypy_cache")
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "cae").rglob("*")
        if path.is_file() and not set(path.parts) & set(hidden)
    }
    assert {"cae/py.typed", "cae/config/quickstart.yaml", "cae/tensorboard_plugin/static/index.js"} <= files
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert files - packed == set()
    assert {name.split("/")[0] for name in packed} - {"cae"} == {f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_an_editable_install_is_a_path_which_type_checkers_follow(tmp_path):
    for name in INGREDIENTS:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "cae").mkdir()
    shutil.copy(ROOT / "cae" / "__init__.py", tmp_path / "cae")
    build = BUILD.replace("build_wheel", "build_editable")
    subprocess.run([sys.executable, "-c", build, tmp_path / "out"], cwd=tmp_path, check=True, capture_output=True)
    archive = zipfile.ZipFile(*(tmp_path / "out").glob("*.whl"))
    (path,) = (name for name in archive.namelist() if ".dist-info/" not in name)
    assert path.endswith(".pth")
    assert archive.read(path).decode().strip() == str(tmp_path)


def test_the_cae_command_is_the_program(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(archive.read(name).decode())
    assert points["console_scripts"]["cae"] == "cae.commands.main:entry_point"
    assert points["tensorboard_plugins"]["cae"] == "cae.tensorboard_plugin.loader:Loader"


def test_the_quickstart_that_is_installed_is_the_one_in_the_repository():
    assert (ROOT / "cae/config/quickstart.yaml").read_bytes() == (ROOT / "configs/quickstart.yaml").read_bytes()


def test_training_needs_neither_arguments_nor_the_repository(python, tmp_path):
    code, out, err = run_away(python, tmp_path, "-m", "cae", "train", "--dry-run")
    assert code == 0, err
    assert "parameters" in out
    code, out, err = run_away(python, tmp_path, "-c", "import cae; print(cae.__file__)")
    assert Path(out.strip()).is_relative_to(python.parents[1])
    assert list(tmp_path.iterdir()) == []


def test_the_types_of_a_users_program_are_checked_against_the_package(python, tmp_path):
    (tmp_path / "right.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "mypy.ini").write_text(
        f"[mypy]\n[mypy-{CHECK_LARGE_PACKAGES_NOT}]\nfollow_imports = skip\nignore_missing_imports = True\n"
    )
    mypy = ("-m", "mypy", "--python-executable", python, "--cache-dir", os.devnull, "right.py", "wrong.py")
    code, out, err = run_away(sys.executable, tmp_path, *map(str, mypy))
    wrong = [int(line.split(":")[1]) for line in out.splitlines() if "error:" in line and line.startswith("wrong.py")]
    assert code == 1, out + err
    assert sorted(set(wrong)) == [4, 5, 6, 7, 8, 9, 10, 11]
    assert [line for line in out.splitlines() if "error:" in line and not line.startswith("wrong.py")] == []
