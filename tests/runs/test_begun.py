"""What may be gone on with."""

import pytest

from cae.config import RunConfig, save_config
from cae.errors import ConfigError
from cae.runs import RunDirectory
from cae.runs.begun import as_begun, is_done


@pytest.fixture
def directory(tmp_path):
    run = RunDirectory(tmp_path / "experiment" / "name")
    run.create()
    save_config(changed("training", epochs=10, batch_size=128), run.config)
    return run


def changed(section, **values):
    config = RunConfig()
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def test_what_is_left_open_goes_on_as_it_was_begun(directory):
    training = as_begun(directory, RunConfig()).training
    assert (training.epochs, training.steps, training.batch_size) == (10, None, 128)
    assert not is_done(directory, RunConfig(), resume=True, overwrite=False)
    assert as_begun(directory, changed("training", epochs=11)).training.epochs == 11


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
