"""Helpers of the configuration's tests."""

import pytest

from cae.config import ConfigError, load_config


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a configuration from its text, with overrides; messages then name it `a.yaml`."""
    monkeypatch.chdir(tmp_path)

    def load_text(text, *overrides):
        (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
        return load_config("a.yaml", overrides)

    return load_text


@pytest.fixture
def problems(load):
    """Load a configuration that is wrong; gives the lines of the message."""

    def load_wrong_text(text, *overrides):
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        return str(caught.value).splitlines()

    return load_wrong_text
