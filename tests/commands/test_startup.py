"""What answers at once: commands import no more than they need."""

import pytest

from tests.conftest import run_process

SLOW = ("tensorflow", "keras", "tensorboard", "matplotlib", "scipy", "h5py", "jinja2")
DECODES_IMAGES = ("numpy", "PIL")

PROGRAM = """
import sys
from cae.commands.main import main
watched, *arguments = sys.argv[1:]
try:
    code = main(arguments)
except SystemExit as error:
    code = error.code
names = {name.split(".")[0] for name in sys.modules} & set(watched.split())
print("\\n" + " ".join([str(code), *sorted(names)]))
"""


def imported(*arguments):
    """A command's exit code, and what it imported of the packages that take long."""
    code, out, err = run_process("-c", PROGRAM, " ".join(SLOW + DECODES_IMAGES), *arguments)
    assert code == 0, err
    exit_code, *names = out.splitlines()[-1].split()
    return int(exit_code), names


HELP = """
import contextlib, io, sys
from cae.commands.main import main
watched, *commands = sys.argv[1:]
codes = []
for command in commands:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main([*command.split(), "--help"])
        except SystemExit as error:
            codes.append(error.code)
print(*codes)
print(*sorted({name.split(".")[0] for name in sys.modules} & set(watched.split())))
"""


def imported_by_help(watched, *commands):
    code, out, err = run_process("-c", HELP, " ".join(watched), *commands)
    assert code == 0, err
    codes, names = out.splitlines()
    assert codes.split() == ["0"] * len(commands)
    return names.split()


def test_help_of_no_command_waits_for_what_is_large():
    commands = ("train", "evaluate", "visualize", "export", "prepare", "doctor", "describe", "list", "verify")
    assert imported_by_help(SLOW, *commands) == []


def test_no_command_loads_tensorflow_before_the_engine_is_set_up():
    assert imported_by_help(("tensorflow", "keras"), "reconstruct", "score", "encode", "decode") == []


def test_help_before_training_waits_for_numbers_neither():
    assert imported_by_help(SLOW + DECODES_IMAGES, "", "train", "describe", "doctor") == []


@pytest.mark.parametrize("command", ["train", "describe"])
def test_a_wrong_configuration_is_told_before_anything_large_is_loaded(command, tmp_path):
    config = tmp_path / "wrong.yaml"
    config.write_text("training: {epochs: 0}\nmodel: {decoder: {upsamplng: resize}}\n")
    assert imported(command, config) == (2, [])


def test_describe_needs_no_images_where_their_shape_is_known(tmp_path):
    config = tmp_path / "known.yaml"
    config.write_text("data: {source: image_folder, path: nowhere, image_size: [32, 40]}\n")
    assert imported("describe", config) == (0, [])
    assert imported("describe", "configs/quickstart.yaml") == (0, [])


def test_describe_opens_a_header_without_what_trains(write_config):
    code, names = imported("describe", write_config())
    assert code == 0
    assert not {"tensorflow", "keras", "tensorboard", "matplotlib", "scipy"} & set(names)


def test_a_command_s_keras_does_not_import_what_only_its_plots_frames_and_wrappers_need():
    program = (
        "import sys\n"
        "from cae.commands.main import main\n"
        "main(['list', 'kinds'])\n"
        "from cae.engine import start_engine\n"
        "start_engine()\n"
        "print(*sorted({'keras', 'IPython', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)))\n"
        "import matplotlib.pyplot, sklearn.neighbors\n"
    )
    code, out, err = run_process("-c", program)
    assert (code, out.splitlines()[-1:]) == (0, ["keras"]), err
