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
    with pytest.raises(ConfigError, match=r"Different now:\n  training\.batch_size: was 128, is 11$"):
        is_done(directory, changed("training", batch_size=11, epochs=11), resume=True, overwrite=False)


def test_a_run_goes_on_for_more_epochs_where_that_is_asked_for_and_never_for_fewer(directory):
    directory.summary.write_text('{"status": "finished"}')
    for epochs, done in ((10, True), (11, False)):
        assert is_done(directory, changed("training", epochs=epochs), resume=True, overwrite=False) is done
    for epochs, longer in ((9, True), (11, False)):
        with pytest.raises(ConfigError, match=rf"Different now:\n  training\.epochs: was 10, is {epochs}$"):
            is_done(directory, changed("training", epochs=epochs), resume=True, overwrite=False, longer=longer)
