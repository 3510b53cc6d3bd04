"""Make the table and the picture of `docs/zoo.md` again, from the figures of trained runs.

    python -m docs.zoo                                           # the page, from docs/zoo/results.json
    python -m docs.zoo add configs/x.yaml RUN... [KEY=VALUE...]  # trained and evaluated, into docs/zoo/results.json
    python -m docs.zoo commands                                  # what trains and evaluates each of them

KEY=VALUE are the settings with which the run was trained, where they differ from the file's. Several runs are one model
from several seeds: the table has the first, a line under it what all reached.
"""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from docs.zoo import ablation

HERE = Path(__file__).parent
RECORD = HERE / "results.json"
PAGE = HERE.parent / "zoo.md"
PICTURE = HERE / "zoo.png"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
AGAINST_BEGIN, AGAINST_END = "<!-- against -->", "<!-- end of against -->"
ABLATION_BEGIN, ABLATION_END = "<!-- ablation -->", "<!-- end of ablation -->"

# What needs no training, in the order of the table's columns: where `results.json` has it, and its name.
FLOORS = {
    ("floors", "block_klt"): "block KLT",
    ("floors", "block_klt_least_squares"): "with least squares",
    ("floors", "zonal_dct"): "zonal DCT",
    ("baselines", "pca"): "PCA",
    ("baselines", "resize"): "resizing",
}


def read(runs: Sequence[Path], file: str, words: Sequence[str]) -> dict[str, Any]:
    """What the page says of a model.

    Args:
        runs: folders of runs that `evaluate.py` measured, which differ by their seed alone; the first is described.
        file: the configuration's path from the repository's root.
        words: KEY=VALUE of the command line, without those that only say where images and runs are.
    """
    run = runs[0]
    results, *others = (json.loads((one / "evaluation" / "results.json").read_text(encoding="utf-8")) for one in runs)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    floors = {name: results[part][key]["psnr"] for (part, key), name in FLOORS.items() if key in results[part]}
    return {
        "file": file,
        "words": list(words),
        "images": summary["images"] | {"skipped": None, "shape": summary["image_shape"]},
        "values": results["code"]["values"],
        "switch_bits": results["code"]["switch_bits"],
        "psnr": results["psnr"],
        "psnr_of_clean_inputs": results.get("clean_inputs", {}).get("psnr"),
        "psnr_of_other_seeds": [one["psnr"] for one in others],
        "ssim": results["ssim"],
        "parameters": summary["parameters"],
        "macs": summary["macs_per_image"],
        "epochs": summary["epochs"],
        "minutes": summary["training_seconds"] / 60,
        "floors": floors,
        "warnings": [warning["code"] for warning in results["warnings"]],
        "cpu": environment["cpu"],
        "cores": environment["cores"],
        "git_revision": environment.get("git_revision"),
    }


def command(record: dict[str, Any]) -> str:
    """What trains the model of a record."""
    return shlex.join(["python", "train.py", record["file"], *record["words"]])


def table(records: dict[str, dict[str, Any]]) -> str:
    """The models in Markdown, by data and number of values."""
    head = ["model", "values", "PSNR", "SSIM", "above PCA", *FLOORS.values(), "parameters", "MACs", "minutes"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for name, record in sorted(records.items(), key=lambda item: _place(item[1])):
        psnr, floors = _comparable(record), record["floors"]
        noisy = f"{record['psnr']:.2f} from noisy inputs, " if psnr != record["psnr"] else ""
        cells = [
            name,
            f"{record['values']:,}" + (" and switches" if record["switch_bits"] else ""),
            f"{noisy}**{psnr:.2f}**" + (" from clean ones" if noisy else ""),
            f"{record['ssim']:.3f}",
            f"{psnr - floors['PCA']:+.2f}",
            *(f"{floors[floor]:.2f}" if floor in floors else "" for floor in FLOORS.values()),
            f"{record['parameters'] / 1e6:.2f} M",
            f"{record['macs'] / 1e6:.1f} M",
            f"{record['minutes']:.0f}" if record["minutes"] >= 10 else f"{record['minutes']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def seeds_in_words(records: dict[str, dict[str, Any]]) -> str:
    """What models reached that were trained from several seeds."""
    lines = []
    for name, record in sorted(records.items()):
        if others := record.get("psnr_of_other_seeds"):
            every = [record["psnr"], *others]
            low, high = stats.t.interval(0.95, len(every) - 1, np.mean(every), stats.sem(every))
            shown = ", ".join(f"{psnr:.2f}" for psnr in every)
            lines.append(
                f"- {name} from {len(every)} seeds: {shown} dB; mean {np.mean(every):.2f} dB, 95% interval {low:.2f} to"
                f" {high:.2f} dB (Student's t)"
            )
    return "\n".join(lines)


def _comparable(record: dict[str, Any]) -> float:
    """The PSNR from clean inputs, which the closed forms get."""
    return float(record.get("psnr_of_clean_inputs") or record["psnr"])


def against(records: dict[str, dict[str, Any]]) -> str:
    """What speaks against figures, as far as the records know it."""
    models, lines = of_models(records), []
    for name, record in sorted(models.items()):
        if _comparable(record) != record["psnr"]:
            lines.append(
                f"- {name} was trained on noisy inputs, and is not measured like the others: the closed forms get clean"
                f" images. From these it has {_comparable(record):.2f} dB, and PCA {record['floors']['PCA']:.2f} dB."
                " Its SSIM is from noisy inputs."
            )
    improving = sorted(name for name, record in models.items() if "not_converged" in record["warnings"])
    lines.append(
        f"- {len(improving)} of the {len(models)} models were still improving when training ended (the warning"
        f" `not_converged`), so that longer training may reach more: {', '.join(improving)}."
    )
    for file in sorted({record["file"] for name, record in records.items() if name not in models}):
        decoders = [record for record in records.values() if record["file"] == file]
        number = sum("not_converged" in record["warnings"] for record in decoders)
        if number:
            lines.append(
                f"- So were {number} of the {len(decoders)} decoders of `{file}`: longer training may change their"
                " order."
            )
    return "\n".join(textwrap.fill(line, 118, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _place(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record["images"]["shape"]), record["images"]["train"], record["values"], record["switch_bits"] > 0


def of_models(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The records of single models; decoders that are compared have reports of their own."""
    return {name: record for name, record in records.items() if not record["file"].startswith("configs/compare_")}


def draw(records: dict[str, dict[str, Any]]) -> Figure:
    """PSNR against the number of values: a panel for each data set, models as points, floors as lines."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records.values():
        if not record["switch_bits"]:
            groups.setdefault(_place(record)[:2], []).append(record)
    groups = {key: sorted(group, key=lambda record: record["values"]) for key, group in sorted(groups.items(), key=str)}
    figure = Figure(figsize=(4.2 * len(groups), 3.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for place, ((shape, count), group) in enumerate(groups.items(), start=1):
        axes = figure.add_subplot(1, len(groups), place)
        for floor, style in (("PCA", "s--"), ("block KLT", "^:")):
            axes.plot(
                *zip(*sorted({(r["values"], r["floors"][floor]) for r in group}), strict=True),
                style,
                label=floor,
                alpha=0.7,
            )
        axes.plot(
            [r["values"] for r in group], [_comparable(r) for r in group], "o", label="trained model", color="black"
        )
        axes.set_xscale("log", base=2)
        values = sorted({r["values"] for r in group})
        axes.set_xticks(values, labels=[str(value) for value in values], rotation=45)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("values of the code")
        axes.set_ylabel("mean test PSNR in dB")
        axes.set_title(f"{shape[0]}x{shape[1]}x{shape[2]}, {count:,} training images")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    return figure


def with_table(page: str, records: dict[str, dict[str, Any]]) -> str:
    """The page, with what stands between its marks made again."""
    page = _between(page, AGAINST_BEGIN, AGAINST_END, against(records))
    records = of_models(records)
    commands = "\n".join(f"- {name}: `{command(record)}`" for name, record in sorted(records.items()))
    told = [table(records), seeds_in_words(records), commands]
    page = _between(page, BEGIN, END, "\n\n".join(filter(None, told)))
    arms = json.loads(ablation.RECORD.read_text(encoding="utf-8"))
    told = textwrap.fill(ablation.epochs_in_words(arms), 118)
    return _between(page, ABLATION_BEGIN, ABLATION_END, f"{ablation.table(arms)}\n\n{told}")


def _between(page: str, begin: str, end: str, text: str) -> str:
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says; see above."""
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if arguments and arguments[0] == "add":
        runs = [Path(word) for word in arguments[2:] if "=" not in word]
        name = f"{runs[0].parent.name}/{runs[0].name}"
        records[name] = read(runs, arguments[1], [word for word in arguments[2:] if "=" in word])
        RECORD.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n", encoding="utf-8")
    if arguments and arguments[0] == "commands":
        for name, record in records.items():
            print(f"{command(record)} && python evaluate.py {shlex.quote(f'runs/{name}')}")
        return
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), records), encoding="utf-8")
    draw(of_models(records)).savefig(PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
