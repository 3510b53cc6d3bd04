"""The command line: finds the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import platform
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from cae.commands.arguments.parser import CommandParser, Parser
from cae.engine import restart_with_huge_pages, start_quickly
from cae.errors import ConfigError, UserError
from cae.files import not_text
from cae.messages import messages_stream, only_warnings, results_stream, tell
from cae.stop_handler import meaning, stop_signals
from cae.version import __version__

# Name of each command, with its line in the overview.
COMMANDS = {
    "train": "train an autoencoder from a configuration",
    "protocol": "write down what a comparison is to find out, before it is trained",
    "tune": "find a learning rate by a short training whose rate rises",
    "evaluate": "measure trained runs on held-out images",
    "tensorboard": "watch and compare runs in a browser, picture by picture",
    "visualize": "show what the feature maps of a trained run respond to",
    "reconstruct": "reconstruct images of any size with a trained run",
    "encode": "write the codes that a trained run makes of images",
    "decode": "make images of codes",
    "score": "score how unlike a run's training images others are",
    "export": "write a trained run as SavedModel, ONNX, LiteRT or Keras file, checked against the run",
    "verify": "hold the files of runs against their checksums",
    "prepare": "write a large image folder as TFRecord shards",
    "doctor": "check this machine, and a configuration, for what stands in the way of training",
    "list": "list runs, kinds of layers, configurations, or all keys of a configuration",
    "describe": "print or draw a model's layers, shapes, parameters and code size without training",
    "completion": "print what makes a shell complete commands, options, runs and keys",
}

# Where each command is explained, and what can be typed: of the quickstart's run, which `python train.py` makes.
_RUN = "runs/quickstart/conv_transpose"
_HELP: dict[str, tuple[str, ...]] = {
    "train": ("README.md", "train", "train configs/quickstart.yaml --epochs 2 model.decoder.upsampling=resize"),
    "protocol": ("docs/using.md#before-comparing-a-protocol", "protocol configs/compare_decoders.yaml"),
    "tune": ("docs/using.md#before-training-a-learning-rate", "tune configs/quickstart.yaml"),
    "evaluate": (
        "docs/using.md#what-a-run-has-to-beat",
        f"evaluate {_RUN}",
        "evaluate runs/compare_decoders --metric ssim",
    ),
    "tensorboard": ("docs/tensorboard.md", "tensorboard runs"),
    "visualize": ("docs/features/README.md", f"visualize {_RUN}", f"visualize {_RUN} --maps 0,3 --method guided"),
    "reconstruct": (
        "docs/using.md#reconstruct",
        f"reconstruct {_RUN} photos --out reconstructed",
        f"reconstruct {_RUN} --split test --out reconstructed",
    ),
    "encode": ("docs/using.md#encode-and-decode", f"encode {_RUN} --split test --out codes.npz"),
    "decode": ("docs/using.md#encode-and-decode", f"decode {_RUN} codes.npz --out decoded"),
    "score": (
        "docs/using.md#find-what-does-not-belong",
        f"score {_RUN} photos --out scored",
        f"score {_RUN} --split test --fpr 0.01",
    ),
    "export": ("docs/export.md", f"export {_RUN} --format litert --out model.tflite"),
    "verify": ("docs/reliability.md", f"verify {_RUN}"),
    "prepare": ("docs/using.md#millions-of-images", "prepare photos shards --image-size 64 64"),
    "doctor": ("docs/reliability.md#before-you-start", "doctor", "doctor configs/quickstart.yaml"),
    "list": ("docs/using.md#the-command-line", "list runs", "list keys learning_rate"),
    "describe": (
        "docs/using.md#the-command-line",
        "describe configs/quickstart.yaml",
        "describe configs/quickstart.yaml model.bottleneck.units=16 --figure plan.svg",
    ),
    "completion": ("docs/using.md#the-command-line", "completion bash"),
}

# Commands whose module in this package is called otherwise than they are.
_MODULES = {"tune": "train", "protocol": "evaluate", "encode": "codes", "decode": "codes", "list": "describe"}
_MODULES["completion"] = "arguments.completion"

# Letters of what a library says: some quote all that they were given.
_MOST_SAID = 500


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code.

    0 done, 1 the run failed, 2 the command line or the configuration is wrong, 130 interrupted, 143 terminated,
    also by the end of the terminal.
    """
    with contextlib.redirect_stderr(messages_stream(sys.stderr)):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    for number in stop_signals():
        if number != signal.SIGINT:
            signal.signal(number, _terminate)
    start_quickly()
    is_debug = False
    arguments = command_first(arguments)
    try:
        options = _make_parser(arguments).parse_args(arguments)
        is_debug = options.debug
        if is_debug:
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        messages = only_warnings(sys.stderr) if options.quiet else contextlib.nullcontext()
        with contextlib.redirect_stdout(results_stream(sys.stdout)), messages:
            return int(options.run(options))
    except UserError as error:
        if (stopped := _stop_behind(error)) is not None:
            return stopped
        _show_traceback(is_debug)
        # A configuration's problems begin with file:line:column, where editors look for them.
        tell(str(error) if isinstance(error, ConfigError) else f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _show_traceback(is_debug)
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`), so there is no one to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A full disk, a folder that went away: the system's word and the file are what the user needs.
        _show_traceback(is_debug)
        place = f": {error.filename}" if error.filename else ""
        tell(f"error: {error.strerror or error}{place}")
        return 1
    except UnicodeEncodeError as error:
        _show_traceback(is_debug)
        tell(f"error: {str(not_text(error))[:_MOST_SAID]}")
        return 1
    except Exception as error:
        if (stopped := _stop_behind(error)) is not None:
            return stopped
        # An unexpected error; its traceback helps developers only.
        _show_traceback(is_debug)
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        hint = "" if is_debug else " (--debug shows where)"
        tell(f"error: {type(error).__name__}{f': {said[:_MOST_SAID]}' if said else ''}{hint}")
        return 1


def entry_point(arguments: Sequence[str] | None = None) -> int:
    """Run a command as a process of its own: `cae`, `python -m cae`, and the scripts at the top of a clone.

    Args:
        arguments: by default those on the command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if command_first(arguments)[:1] == ["train"]:
        restart_with_huge_pages()
    if arguments[:1] == ["__complete"]:
        print("\n".join(completions(arguments[1:])))
        return 0
    return main(arguments)


def command_first(arguments: Sequence[str]) -> list[str]:
    """Let options of a command stand before it, too.

    >>> command_first(["-q", "train", "mine.yaml"]), command_first(["--help"])
    (['train', '-q', 'mine.yaml'], ['--help'])
    """
    words = list(arguments)
    if words[:1] == ["help"]:
        return [*words[1:], "--help"]
    if words and words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"):
        levels = len(words) > 1 and words[0] in ("-q", "--quiet", "-v", "--verbose", "--debug")
        place = next((number for number, word in enumerate(words) if word in COMMANDS), int(levels))
        words.insert(0, words.pop(place))
    return words


def completions(words: Sequence[str]) -> list[str]:
    """What the last of some words can become; see `cae.commands.arguments.completion.complete`."""
    from cae.commands.arguments.completion import complete

    before, word = command_first(words[:-1]), words[-1] if words else ""
    if not before or before[0] not in COMMANDS:
        return [name for name in (*COMMANDS, "--help", "--version", "-q", "-v") if name.startswith(word)]
    return complete(make_command_parser(before[0]), [*before[1:], word])


def _show_traceback(is_debug: bool) -> None:
    if is_debug:
        tell(traceback.format_exc())


def _make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="cae", description="Train convolutional autoencoders with any decoder upsampling, and compare them."
    )
    parser.add_argument("--version", action=_ShowVersion, help="show the version and what it runs on")
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        parser.error(f"{arguments[0]} needs a COMMAND; did you mean train {' '.join(arguments)}?")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=CommandParser)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, **_made_of(name), help=summary)
        # Only the command that is asked for is imported: help for one should not wait for another's libraries.
        if arguments and arguments[0] == name:
            _declare(command, name)
    return parser


def make_command_parser(name: str) -> CommandParser:
    """Make the parser of one command, whose default `run` is its function."""
    parser = CommandParser(**_made_of(name))
    _declare(parser, name)
    return parser


def _made_of(name: str) -> dict[str, Any]:
    page, *examples = _HELP[name]
    shown = "".join(f"\n  python -m cae {example}" for example in examples)
    return {
        "description": f"{COMMANDS[name].capitalize()}.",
        "epilog": f"for example:{shown}\n\nmore in {page}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "add_help": False,
    }


def _declare(command: CommandParser, name: str) -> None:
    """Declare a command's arguments, and last those that all commands have."""
    command._positionals.title = "what stands without an option"
    module = importlib.import_module(f"cae.commands.{_MODULES.get(name, name)}")
    getattr(module, f"add_{name}_arguments")(command)
    command.set_defaults(run=getattr(module, f"run_{name}"))
    group = command.add_argument_group("help and messages")
    group.add_argument("-h", "--help", action="help", help="show this")
    level = group.add_mutually_exclusive_group()
    level.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings, errors and results")
    level.add_argument(
        *("-v", "--verbose", "--debug"),
        action="store_true",
        dest="debug",
        help="say more: with an error where it arose, and what TensorFlow says",
    )
    command.add_argument("--version", action=_ShowVersion, help=argparse.SUPPRESS)


class _ShowVersion(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help, default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras"))
        print(f"cae {__version__} ({packages}, Python {platform.python_version()})")
        parser.exit()


class _Terminated(SystemExit):
    """A stop that has been told of, with its exit code."""

    code: int


def _stop_behind(error: BaseException | None) -> int | None:
    """The exit code of a stop that came while a library was imported, whose C++ made an ImportError of it."""
    while error is not None:
        if isinstance(error, _Terminated):
            return error.code
        if isinstance(error, KeyboardInterrupt):
            print("interrupted", file=sys.stderr)
            return 130
        error = error.__cause__ or error.__context__
    return None


def _terminate(number: int, frame: FrameType | None) -> None:
    """End outside of training, where there is nothing to save."""
    print("terminated", file=sys.stderr)
    raise _Terminated(128 + meaning(number))
