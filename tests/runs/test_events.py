"""Cutting event files at the step from which a run goes on."""

import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from cae.atomic_files import replacing
from cae.runs.events import cut_events, write_figures


def write(folder, steps):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", float(step), step=step)
    writer.close()


def steps(folder):
    return [
        event.step
        for file in sorted(folder.glob("events*"))
        for event in EventFileLoader(str(file)).Load()
        if event.HasField("summary")
    ]


def test_steps_behind_the_cut_go_and_the_others_stay(tmp_path):
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [4, 5])
    (tmp_path / "other.txt").write_text("kept")
    cut_events(tmp_path, 4)
    assert steps(tmp_path) == [1, 2, 3, 4]
    assert (tmp_path / "other.txt").exists()
    write(tmp_path, [5, 6])
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_a_file_that_ends_in_the_middle_of_an_event_is_read_up_to_there(tmp_path):
    write(tmp_path, [1, 2, 3])
    (file,) = tmp_path.glob("events*")
    file.write_bytes(file.read_bytes()[:-5])
    cut_events(tmp_path, 10)
    assert steps(tmp_path) == [1, 2]


def test_what_is_written_anew_when_a_run_goes_on_leaves_nothing_behind(tmp_path):
    write(tmp_path, [1, 2])
    cut_events(tmp_path, 3, without=("loss",))
    assert steps(tmp_path) == []


def test_new_figures_take_the_place_of_earlier_ones_and_not_of_what_another_process_is_writing(tmp_path):
    earlier, left = (
        tmp_path / "events.out.tfevents.1.a.test",
        tmp_path / ".writing-abcdefgh-events.out.tfevents.1.b.test",
    )
    for file in (earlier, left):
        file.touch()
    with replacing(tmp_path / "events.out.tfevents.1.c.test") as other:
        write_figures(tmp_path, "test", {"psnr": 20.0}, 1)
        assert other.exists()
        assert not earlier.exists()
        assert not left.exists()
        (found,) = set(tmp_path.iterdir()) - {other}
    assert found.name.endswith(".test")


def test_a_folder_without_events_is_left_alone(tmp_path):
    cut_events(tmp_path, 3)
    assert list(tmp_path.iterdir()) == []
