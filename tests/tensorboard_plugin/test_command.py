"""`python -m cae tensorboard`: what it refuses. That it serves and ends is seen by the tests of routes and page."""

from __future__ import annotations

import argparse
import importlib
import socket
import tomllib

import pytest

from cae.tensorboard_plugin.loader import Loader
from tests.conftest import ROOT, run_process


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run_process("-m", "cae", "tensorboard", tmp_path, "--port", port, "--host", "127.0.0.1")
    assert code == 1
    assert f"port {port}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(("--port", "70000"), 2, "--port must be from 0 to 65535"), (("--load-fast", "maybe"), 2, "maybe")],
)
def test_wrong_arguments_are_told(run_command, arguments, code, words):
    assert run_command("tensorboard", *arguments)[0] == code
    assert words in run_command("tensorboard", *arguments)[2]


def test_a_file_is_no_log_directory(run_command, image_file):
    code, _, err = run_command("tensorboard", image_file)
    assert code == 1
    assert f"{image_file}: is a file" in err


def test_an_installed_package_brings_the_tab_to_plain_tensorboard():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["entry-points"]["tensorboard_plugins"]["cae"].partition(":")
    assert getattr(importlib.import_module(module), name) is Loader
    assert "tensorboard_plugin/static/*" in project["tool"]["setuptools"]["package-data"]["cae"]


def test_every_step_is_kept_unless_the_user_says_otherwise():
    flags = argparse.Namespace(samples_per_plugin={"images": 5})
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == {"cae": 0, "images": 5}
    flags = argparse.Namespace(samples_per_plugin={"cae": 7})
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == {"cae": 7}
