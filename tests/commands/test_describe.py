"""`describe`: the table, and the picture beside it."""

import pytest
from PIL import Image

from tests.conftest import run_process

UNPOOLING = "model: {decoder: {upsampling: max_unpool}}\n"


@pytest.mark.parametrize("name", ["model.png", "model.svg", "a model.pdf"])
def test_the_last_line_says_where_the_picture_is_and_the_table_stays_the_same(
    run_command, write_config, tmp_path, name
):
    config, picture = write_config(UNPOOLING), tmp_path / name
    code, table, _ = run_command("describe", config)
    assert code == 0
    assert "stage_1_max_unpool" in table
    code, out, err = run_command("describe", config, "--figure", picture)
    assert (code, err) == (0, f"Next: python train.py {config}\n")
    assert out.startswith(table)
    assert out.splitlines()[-1] == str(picture)
    assert picture.stat().st_size > 1000


def test_a_precision_that_is_chosen_before_training_is_described_as_float32(run_command, write_config):
    for options in ([], ["-v"]):
        _, chosen, _ = run_command("describe", write_config("training: {precision: auto}\n"), *options)
        code, stated, _ = run_command("describe", write_config("training: {precision: float32}\n"), *options)
        assert (code, chosen) == (0, stated)
    assert "in float32" in chosen


def test_overrides_are_drawn(run_command, write_config, tmp_path):
    config, one, three = write_config(), tmp_path / "one.png", tmp_path / "three.png"
    for filters, picture in (("[4]", one), ("[4,4,4]", three)):
        assert run_command("describe", config, "--set", f"model.encoder.filters={filters}", "--figure", picture)[0] == 0
    with Image.open(one) as small, Image.open(three) as large:
        assert large.height > small.height + 200


def test_a_wrong_ending_ends_with_2_before_anything_else(run_command, tmp_path):
    code, out, err = run_command("describe", tmp_path / "missing.yaml", "--figure", tmp_path / "model.jpg")
    assert (code, out) == (2, "")
    assert [ending in err for ending in (".png", ".svg", ".pdf", "model.jpg", "missing")] == [True] * 4 + [False]


def test_a_missing_folder_ends_with_1_and_is_named(run_command, write_config, tmp_path):
    code, out, err = run_command("describe", write_config(), "--figure", tmp_path / "nowhere" / "model.png")
    assert (code, out) == (1, "")
    assert str(tmp_path / "nowhere") in err
    assert "Traceback" not in err
    assert not (tmp_path / "nowhere").exists()


def test_only_a_picture_loads_what_draws_it_and_nothing_loads_the_engine(write_config, tmp_path):
    program = (
        "import sys\n"
        "from cae.commands.main import main\n"
        "code = main(sys.argv[1:])\n"
        "print(code, *(name in sys.modules for name in ('tensorflow', 'matplotlib', 'matplotlib.pyplot')))\n"
    )
    for arguments, expected in (((), "0 False False False"), (("--figure", tmp_path / "m.png"), "0 False True False")):
        code, out, err = run_process("-c", program, "describe", write_config(), *arguments)
        assert (code, err.count("\n")) == (0, 1)  # the next step, and nothing of a library
        assert out.splitlines()[-1] == expected
