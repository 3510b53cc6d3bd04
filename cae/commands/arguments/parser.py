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
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_SETTING = re.compile(f"{_KEY.pattern}=.*", re.DOTALL)
_CHOICE = re.compile(r"invalid choice: (['\"])(?P<word>.*?)\1 \(choose from (?P<words>.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """Quotes what was typed, as all messages do, without the terminal obeying it, and says what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Show the usage of this command, what is wrong, and what may have been meant; exit code 2."""
        if found := _CHOICE.search(message):
            words = [word.strip("'\" ") for word in found["words"].split(",")]
            from cae.config.problems import closest  # imports the schema, which takes time
            from cae.config.registration import how_to_add

            is_command = "COMMAND" in message
            meant = _meant_command(found["word"], words) if is_command else closest(found["word"], words, cutoff=0.5)
            if is_command and re.search(r"\.ya?ml$", found["word"]):
                meant = f"train {found['word']}"
            if is_command and meant:
                message = message.partition(" (choose")[0]
            elif not is_command:
                message = message.replace(found[0], f"must be one of {', '.join(words)}; received {found['word']}")
            advice = f"did you mean {meant}?" if meant else how_to_add(words)
            message += f"; {advice}" if advice else ""
        for kind, wanted in (("int", "a whole number"), ("float", "a number")):
            message = message.replace(f"invalid {kind} value:", f"must be {wanted}; received")
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
        sets_keys = "--set" in self._option_string_actions
        read: list[str] = []
        for number, word in enumerate(words):
            before, rest = words[number - 1] if number else "", words[number + 1 :]
            if os.path.exists(word) or (self._takes_value(before) and before != "--set"):
                read.append(word)
                continue
            if plain := _as_typed_in_a_shell(word):
                self.error(f"{word}: has a dash or quotes that come from a text; did you mean {plain}?")
            if sets_keys and (meant := _meant_setting(word, rest, before == "--set")):
                self.error(f"{word}: KEY=VALUE must be one word for the shell; did you mean {meant}?")
            read += ["--set", word] if sets_keys and before != "--set" and _SETTING.fullmatch(word) else [word]
        return read

    def _takes_value(self, word: str) -> bool:
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs != 0

    def _suggestion(self, rest: Sequence[str], typed: Sequence[str]) -> str:
        from cae.config.synonyms import letters

        word = next((word for word in rest if word.startswith("-")), None)
        if word is None:
            before = typed[max(typed.index(rest[0]) - 1, 0)]
            return f"; did you mean '{before} {rest[0]}', in quotes?" if _SETTING.fullmatch(before) else ""
        name, equals, value = word.partition("=")
        following = typed[typed.index(word) + 1 : typed.index(word) + 2]
        value = value if equals else next(iter(following), "VALUE")
        known = [option for option in self._option_string_actions if option.startswith("--")]
        if letters(name) in {one for action in self._get_positional_actions() for one in _called(action)}:
            return f"; did you mean {value}, without {name}?"
        if meant := self._meant_option(name, known):
            return f"; did you mean {meant}?"
        action, key = self._option_string_actions.get("--set"), _meant_key(name.lstrip("-"))
        if key and (action is None or (str(action.metavar).startswith("data.") and not key.startswith("data."))):
            return f"; {key} is for commands that read a configuration: train, tune, describe, protocol, doctor"
        if key:
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
        begun = [option for option in known if len(word) == 1 and option[2] == word]
        near = difflib.get_close_matches(word, spelt, n=1, cutoff=0.75)
        return spelt[near[0]] if near else " or ".join(begun) or None


def _called(action: argparse.Action) -> set[str]:
    """What others call an option with the meaning of an argument that stands without one."""
    from cae.config.synonyms import letters

    words = {letters(action.dest), letters(str(action.metavar or ""))}
    return words | {"c", "cfg", "configfile", "file"} if "config" in words else words


# Texts and web pages have these where shells want others.
_TYPOGRAPHY = str.maketrans(
    {"\N{EN DASH}": "--", "\N{EM DASH}": "--", **dict.fromkeys(map(chr, (0x201C, 0x201D, 0x201E, 0x2018, 0x2019)), "'")}
)


def _as_typed_in_a_shell(word: str) -> str | None:
    """A word with plain dashes and quotes, if it begins with others."""
    plain = word.translate(_TYPOGRAPHY)
    return re.sub("^-+", "--", plain) if plain[:1] != word[:1] else None


def _meant_setting(word: str, rest: Sequence[str], is_set: bool) -> str | None:
    """A setting that the shell has taken apart, put together again: at `=`, in a list, or with `:` instead of `=`.

    Args:
        word: that may be its beginning.
        rest: the words behind it.
        is_set: whether `--set` stands before it.
    """
    prefix, following = "--set " if is_set else "", rest[0] if rest else "VALUE"
    if is_set and "=" not in word and not word.startswith("-") and (key := word.rstrip(":")):
        value = following if following != "=" else "".join(rest[1:2])
        return f"--set {key}={value.removeprefix('=')}"
    if _KEY.fullmatch(word) and following[:1] == "=":
        return f"{word}={(following[1:] or ''.join(rest[1:2])) or 'VALUE'}"
    if re.fullmatch(_KEY.pattern + "=", word) and rest and not _SETTING.fullmatch(following) and following[0] != "-":
        return f"{prefix}{word}{following}"
    if (found := re.fullmatch(f"({_KEY.pattern}):(.*)", word, re.DOTALL)) and _meant_key(found[1]):
        return f"{_meant_key(found[1])}={found[3] or following}"
    if _SETTING.fullmatch(word):
        for length in range(len(rest) + 1):
            whole = " ".join([word, *rest[:length]])
            if sum(map(whole.count, "[{")) <= sum(map(whole.count, "]}")):
                return f"{prefix}'{whole}'" if length else None
        return f"{prefix}'{' '.join([word, *rest])}', with its closing bracket"
    return None


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
    return next(iter(root_shape().places_of(path[-1])), None)


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
    group = parser.add_argument_group("to change the configuration")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one dotted key, e.g. model.decoder.upsampling.kind=max_unpool; repeatable, and --set may be left"
        " out",
    )
    for option, key in SHORT_FORMS.items():
        group.add_argument(
            option, action=_Short, const=key, metavar="VALUE", help=f"short for {key}=VALUE", default=argparse.SUPPRESS
        )
    group.add_argument(
        "--data",
        action=_Data,
        metavar="WHERE",
        default=argparse.SUPPRESS,
        help="a folder of images, an array file, or a source such as mnist: short for data.source and data.path",
    )
    add_device_argument(parser)


class _Short(argparse.Action):
    """An option that is short for one key, its constant."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        # A name may look like a number.
        value = _quoted(value) if self.const == "name" else value
        options.overrides = [*options.overrides, f"{self.const}={value}"]


def _quoted(text: str) -> str:
    """A text for YAML, as messages show it: letters of all languages as they are."""
    return json.dumps(text, ensure_ascii=False)


class _Data(argparse.Action):
    """`--data`: images for `data.source` and `data.path`."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        source, path = source_of(value)
        options.overrides = [
            *options.overrides,
            f"data.source={source}",
            *([f"data.path={_quoted(path)}"] if path else []),
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


_DEVICE = re.compile(r"cpu|gpu(:\d+)?")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--device`, for a command that computes."""
    parser.add_argument_group("where it is computed").add_argument(
        "--device",
        action=_Device,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="cpu, gpu, or gpu:0 and so on; default: all GPUs that there are",
    )


class _Device(argparse.Action):
    """`--device`: decided before TensorFlow is loaded, for this process and those that it starts."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        if not _DEVICE.fullmatch(value):
            meant = value.lower().replace("cuda", "gpu")
            advice = f"; did you mean {meant}?" if _DEVICE.fullmatch(meant) else ""
            parser.error(f"argument --device: must be cpu, gpu, or gpu:0 and so on; received {value}{advice}")
        kind, _, number = value.partition(":")
        if kind == "cpu" or number:
            os.environ["CUDA_VISIBLE_DEVICES"] = number or "-1"
        os.environ[DEVICE] = kind


def add_data_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set` for a trained run, of which only the images' place can change."""
    parser.add_argument_group("if the images are elsewhere now").add_argument(
        "--set",
        action="append",
        default=[],
        metavar="data.KEY=VALUE",
        dest="overrides",
        help="override a key of the data section, for images that are elsewhere now, e.g. data.path=FOLDER",
    )
    add_device_argument(parser)
