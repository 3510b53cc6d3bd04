"""The parser of every command line: options anywhere, `KEY=VALUE` words, and what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cae.engine import DEVICE
from cae.messages import for_terminal

# Other programs' words for commands and options.
_COMMANDS = {
    **dict.fromkeys(("fit", "run", "learn", "start", "trainer"), "train"),
    **dict.fromkeys(("eval", "test", "measure", "validate", "compare", "benchmark", "metrics"), "evaluate"),
    **dict.fromkeys(("predict", "infer", "inference", "denoise", "apply"), "reconstruct"),
    **dict.fromkeys(("summary", "plan", "inspect", "show", "info", "model", "draw"), "describe"),
    **dict.fromkeys(("tflite", "onnx", "convert", "save", "savedmodel", "litert"), "export"),
    **dict.fromkeys(("detect", "anomaly", "anomalies", "classify"), "score"),
    **dict.fromkeys(("embed", "compress", "features", "latent"), "encode"),
    **dict.fromkeys(("generate", "decompress", "sample"), "decode"),
    **dict.fromkeys(("board", "tb", "dashboard"), "tensorboard"),
    **dict.fromkeys(("lrfind", "findlr", "lrfinder", "lr", "rangetest", "search"), "tune"),
    **dict.fromkeys(("check", "diagnose", "env"), "doctor"),
    **dict.fromkeys(("ls", "runs", "kinds", "configs", "keys", "help"), "list"),
    **dict.fromkeys(("plot", "featuremaps", "activations"), "visualize"),
    **dict.fromkeys(("checksum", "hash"), "verify"),
    **dict.fromkeys(("preprocess", "shard", "tfrecord"), "prepare"),
}
_OPTIONS = {
    **dict.fromkeys(("output", "outdir", "outputdir", "o", "save", "dest"), "--out"),
    **dict.fromkeys(("force", "f", "clean", "restart", "fresh"), "--overwrite"),
    **dict.fromkeys(("continue", "restore"), "--resume"),
    **dict.fromkeys(("rundir", "logdir", "savedir", "runs"), "--runs-dir"),
    **dict.fromkeys(("dataset", "datadir", "datapath", "datasource", "images", "input"), "--data"),
    **dict.fromkeys(("gpu", "gpus", "cpu", "cuda", "accelerator"), "--device"),
    **dict.fromkeys(("dryrun", "check", "plan", "n"), "--dry-run"),
    **dict.fromkeys(("silent", "quite"), "--quiet"),
    **dict.fromkeys(("override", "overrides", "param"), "--set"),
    **dict.fromkeys(("falsepositiverate",), "--fpr"),
}
# A word that sets a key; what looks like a path is none.
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*=.*", re.DOTALL)
_CHOICE = re.compile(r"invalid choice: (['\"])(?P<word>.*?)\1 \(choose from (?P<words>.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """Quotes what was typed, as all messages do, without the terminal obeying it, and says what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Show the usage of this command, what is wrong, and what may have been meant; exit code 2."""
        if found := _CHOICE.search(message):
            words = [word.strip("'\" ") for word in found["words"].split(",")]
            from cae.config.problems import closest  # imports the schema, which takes time

            is_command = "COMMAND" in message
            meant = _meant_command(found["word"], words) if is_command else closest(found["word"], words, cutoff=0.5)
            if is_command and re.search(r"\.ya?ml$", found["word"]):
                meant = f"train {found['word']}"
            message += f"; did you mean {meant}?" if meant else ""
        super().error(for_terminal(message))


class CommandParser(Parser):
    """A command's own arguments: positional ones may stand after options, and `KEY=VALUE` is `--set KEY=VALUE`."""

    _is_reading = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See argparse."""
        if self._is_reading:  # some versions read in two passes that begin here
            return super().parse_known_args(args, namespace)
        self._is_reading = True
        try:
            typed = list(args or ())
            found, rest = self.parse_known_intermixed_args(self._with_settings(typed), namespace)
        finally:
            self._is_reading = False
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._suggestion(rest, typed)}")
        return found, rest

    def _with_settings(self, words: Sequence[str]) -> list[str]:
        """Put `--set` before words that set a key."""
        if "--set" not in self._option_string_actions:
            return list(words)
        read: list[str] = []
        for number, word in enumerate(words):
            before = words[number - 1] if number else ""
            if before == "--set" and "=" not in word and not word.startswith("-") and word:
                value = words[number + 1] if number + 1 < len(words) else "VALUE"
                self.error(f"--set takes KEY=VALUE in one word; did you mean --set {word}={value}?")
            is_setting = _SETTING.fullmatch(word) and not self._takes_value(before) and not os.path.exists(word)
            read += ["--set", word] if is_setting else [word]
        return read

    def _takes_value(self, word: str) -> bool:
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs != 0

    def _suggestion(self, rest: Sequence[str], typed: Sequence[str]) -> str:
        word = next((word for word in rest if word.startswith("-")), None)
        if word is None:
            return ""
        name, equals, value = word.partition("=")
        following = typed[typed.index(word) + 1 : typed.index(word) + 2]
        value = value if equals else next(iter(following), "VALUE")
        known = [option for option in self._option_string_actions if option.startswith("--")]
        if meant := self._meant_option(name, known):
            return f"; did you mean {meant}?"
        if "--set" in known and (key := _meant_key(name.lstrip("-"))):
            return f"; did you mean {key}={value}?"
        return ""

    def _meant_option(self, name: str, known: list[str]) -> str | None:
        from cae.config.synonyms import KEYS, letters

        spelt = {letters(option): option for option in known}
        word = letters(name)
        if other := spelt.get(word) or _OPTIONS.get(word):
            return other if other in known else None
        key = KEYS.get(word, "")
        for option, path in SHORT_FORMS.items():
            if key == path or word == letters(path) or word == letters(path.rpartition(".")[2]):
                return option if option in known else None
        near = difflib.get_close_matches(word, spelt, n=1, cutoff=0.75)
        return spelt[near[0]] if near else None


# Options that are short for a key.
SHORT_FORMS = {
    "--epochs": "training.epochs",
    "--lr": "training.optimizer.learning_rate",
    "--batch-size": "training.batch_size",
    "--name": "name",
}


def _meant_key(word: str) -> str | None:
    """The dotted key that an option such as `--seed` or `--training.epochs` stands for."""
    from cae.config.schema_walk import root_shape
    from cae.config.synonyms import KEYS, letters
    from cae.config.yaml.nodes import dotted

    path = tuple(word.replace("-", "_").split("."))
    if root_shape().at(path) is not None:
        return dotted(path)
    if meant := KEYS.get(letters(word)):
        return meant
    places = sorted({dotted(known) for known in root_shape().paths() if known[-1] == path[-1]}, key=len)
    return places[0] if places else None


def _meant_command(word: str, commands: Iterable[str]) -> str | None:
    from cae.config.synonyms import letters

    commands = list(commands)
    meant = _COMMANDS.get(letters(word))
    if meant in commands:
        return meant
    near = difflib.get_close_matches(word.lower(), commands, n=1, cutoff=0.6)
    return near[0] if near else None


def add_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set`, which changes keys of the configuration, and short forms of it."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one dotted key, e.g. model.decoder.upsampling.kind=max_unpool; repeatable, and --set may be left"
        " out",
    )
    for option, key in SHORT_FORMS.items():
        parser.add_argument(
            option, action=_Short, const=key, metavar="VALUE", help=f"short for {key}=VALUE", default=argparse.SUPPRESS
        )
    parser.add_argument(
        "--data",
        action=_Data,
        metavar="WHERE",
        default=argparse.SUPPRESS,
        help="a folder of images, an array file, or a source such as mnist: short for data.source and data.path",
    )
    parser.add_argument(
        "--device",
        action=_Device,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="cpu, gpu, or gpu:0 and so on; default: all GPUs that there are",
    )


class _Short(argparse.Action):
    """An option that is short for one key, its constant."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        # A name may look like a number.
        value = json.dumps(value) if self.const == "name" else value
        options.overrides = [*options.overrides, f"{self.const}={value}"]


class _Data(argparse.Action):
    """`--data`: images for `data.source` and `data.path`."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        source, path = source_of(value)
        options.overrides = [
            *options.overrides,
            f"data.source={source}",
            *([f"data.path={json.dumps(path)}"] if path else []),
        ]


def source_of(word: str) -> tuple[str, str | None]:
    """The `data.source` and `data.path` that a word on the command line stands for.

    >>> source_of("mnist"), source_of("photos.npz"), source_of("holiday")
    (('mnist', None), ('arrays', 'photos.npz'), ('image_folder', 'holiday'))
    """
    from cae.config.schema_walk import root_shape

    shape = root_shape().at(("data",))
    sources = shape.options.shapes if shape is not None and shape.options is not None else {}
    if word in sources and not Path(word).exists():
        return word, None
    path, name = Path(word), word.lower().removesuffix(".gz")
    if name.endswith((".npy", ".npz", ".h5", ".hdf5")):
        return "arrays", word
    if name.endswith(("ubyte", ".idx")):
        return "idx", word
    if path.is_dir() and any(path.glob("*.tfrecord*")):
        return "tfrecord", word
    return "image_folder", word


class _Device(argparse.Action):
    """`--device`: decided before TensorFlow is loaded, for this process and those that it starts."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        if not re.fullmatch(r"cpu|gpu(:\d+)?", value):
            parser.error(f"argument --device: must be cpu, gpu, or gpu:0 and so on; received {value}")
        kind, _, number = value.partition(":")
        if kind == "cpu" or number:
            os.environ["CUDA_VISIBLE_DEVICES"] = number or "-1"
        os.environ[DEVICE] = kind


def add_data_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set` for a trained run, of which only the images' place can change."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="data.KEY=VALUE",
        dest="overrides",
        help="override a key of the data section, for images that are elsewhere now, e.g. data.path=FOLDER",
    )
