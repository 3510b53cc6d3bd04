"""Shell completion: `cae completion bash` prints a few lines for a shell, which ask this module at each Tab."""

from __future__ import annotations

import argparse
import glob
from collections.abc import Iterator, Sequence

_SCRIPTS = {
    # Bash takes `=` for a border of words, so words are split here, and what stands before `=` is not written again.
    "bash": """_cae() {
  local typed words=()
  read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
  [[ "${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
  typed="${words[-1]}"
  mapfile -t COMPREPLY < <(cae __complete "${words[@]:1}" 2>/dev/null)
  [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
  [[ "$typed" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${typed%%=*}="}")
}
complete -o default -F _cae cae""",
    "zsh": """_cae() {
  local -a found
  found=(${(f)"$(cae __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  (( $#found )) || { _files; return }
  compadd -S '' -- ${(M)found:#*=}
  compadd -- ${found:#*=}
}
compdef _cae cae""",
    "fish": "complete -c cae -a '(cae __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'",
}


def add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=list(_SCRIPTS), help="the shell that you type in")


def run_completion(options: argparse.Namespace) -> int:
    """Print what the shell has to read."""
    print(_SCRIPTS[options.shell])
    return 0


def complete(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Give what the last word can become; nothing where it is a file, which shells complete themselves.

    Args:
        parser: of the command.
        words: behind the command, the last one as far as it is typed.
    """
    *before, word = words
    option = parser._option_string_actions.get(before[-1] if before else "")
    if option is not None and option.nargs != 0:
        found = option.choices or (_settings(word) if option.dest == "overrides" and not option.const else ())
    elif word.startswith("-"):
        found = (name for name, action in parser._option_string_actions.items() if action.help != argparse.SUPPRESS)
    else:
        found = _positional(parser, before, word)
    return sorted({str(one) for one in found if str(one).startswith(word)})


def _positional(parser: argparse.ArgumentParser, before: Sequence[str], word: str) -> Iterator[object]:
    for action in parser._get_positional_actions():
        yield from action.choices or ()
        if action.metavar == "RUN":
            begun = f"{glob.escape(word)}*"
            for pattern in (begun, f"{begun}/*", f"{begun}/*/*"):
                yield from (path.removesuffix("/config.yaml") for path in glob.glob(f"{pattern}/config.yaml"))
    has_file = any(one and not one.startswith("-") for one in before)
    if "--set" in parser._option_string_actions and (has_file or (word and not glob.glob(f"{glob.escape(word)}*"))):
        yield from _settings(word)


def _settings(word: str) -> Iterator[str]:
    """KEY=, or behind that the words that the key takes."""
    from cae.config.problems import words_of
    from cae.config.schema_walk import root_shape
    from cae.config.yaml.nodes import dotted

    key, equals, _ = word.partition("=")
    shape = root_shape().at(tuple(key.split("."))) if equals else None
    if equals:
        yield from (f"{key}={one}" for one in (words_of(shape) if shape else ()))
    else:
        for path in root_shape().paths():
            yield f"{dotted(path)}="
            if path[-1] == "kind":  # which may stand for the whole
                yield f"{dotted(path[:-1])}="
