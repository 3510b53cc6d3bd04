"""What may be gone on with."""

import pytest

from cae.config import RunConfig, save_config
from cae.errors import ConfigError
from cae.runs import RunDirectory
from cae.runs.begun import is_done


@pytest.fixture
def directory(tmp_path):
    run = RunDirectory(tmp_path / "experiment" / "name")
    run.create()
    save_config(RunConfig(), run.config)
    return run


def changed(section, **values):
    config = RunConfig()
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def test_a_run_may_go_on_with_other_devices(directory):
    assert not is_done(directory, changed("training", strategy="multi_worker"), resume=True, overwrite=False)


def test_a_run_goes_on_with_the_same_training_only(directory):
    with pytest.raises(ConfigError, match=r"Different now:\n  training\.epochs: was 10, is 11$"):
        is_done(directory, changed("training", epochs=11, strategy="mirrored"), resume=True, overwrite=False)
