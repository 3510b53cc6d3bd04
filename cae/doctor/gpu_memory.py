"""How much memory GPUs have, as their driver says."""

from __future__ import annotations

import subprocess

from cae.doctor.finding import Finding, ok, warning

_QUERY = ["nvidia-smi", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
_MIB = 2**20


def ask_driver() -> list[tuple[int, int]]:
    """Free and total bytes of each GPU; nothing where there is no driver."""
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_answer(answer)


def read_answer(answer: str) -> list[tuple[int, int]]:
    r"""Read what nvidia-smi prints.

    Example:
        >>> read_answer("1024, 2048\n[N/A], [N/A]\n")
        [(1073741824, 2147483648)]
    """
    lines = ([word.strip() for word in line.split(",")] for line in answer.splitlines())
    return [
        (int(words[0]) * _MIB, int(words[1]) * _MIB)
        for words in lines
        if len(words) == 2 and all(map(str.isdigit, words))
    ]


def check_gpu_memory(memory: list[tuple[int, int]]) -> Finding:
    """Whether another program holds the GPUs' memory."""
    shown = ", ".join(f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free" for free, total in memory)
    if any(free < total / 2 for free, total in memory):
        return warning("gpu memory", shown, "see in nvidia-smi which program holds it")
    return ok("gpu memory", shown)
