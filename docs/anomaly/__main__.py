"""Make the tables in `docs/anomaly.md` again, of the results that lie here: `python -m docs.anomaly`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

DOCUMENT = Path(__file__).parents[1] / "anomaly.md"
TITLES = {
    "combined": "`combined`",
    "patches": "`patches`",
    "place_nearest": "`place_nearest`",
    "code_nearest": "`code_nearest`",
    "mse": "`mse`",
    "top": "`top`",
    "pca_error": "PCA error",
    "nearest_neighbour": "nearest neighbour",
    "one_class_svm": "one-class SVM",
}


def table(name: str) -> str:
    """The AUROC of each score in Markdown: a line for each normal class, and their mean; the best are bold."""
    results = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    rows = {normal: [one["auroc"][metric] for metric in TITLES] for normal, one in results.items()}
    rows["**mean**"] = [float(value) for value in np.mean(list(rows.values()), axis=0)]
    lines = [["normal", *TITLES.values()], ["---", *["--:"] * len(TITLES)]]
    for normal, values in rows.items():
        shown = [f"{value:.3f}" for value in values]
        lines.append([normal, *[f"**{one}**" if one == max(shown) else one for one in shown]])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_tables(text: str) -> str:
    """The document's text, with what stands between the tables' marks made again."""
    for name in ("fashion_mnist", "cifar10", "surfaces"):
        before, _, rest = text.partition(f"<!-- table {name} -->\n")
        _, _, after = rest.partition("<!-- end of table -->\n")
        text = f"{before}<!-- table {name} -->\n{table(name)}<!-- end of table -->\n{after}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
