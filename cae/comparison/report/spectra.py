"""The figure of the residuals' power spectra, one for each contender."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.drawing import Drawn, house_style, literal, looks, png_uri

_COLUMNS = 3
_INCHES = 1.75


def draw_spectra(comparison: Comparison, exhibits: Exhibits) -> Drawn | None:
    """Draw the spectra on one scale; None where there are none."""
    labels = [contender.label for contender in comparison.contenders if contender.label in exhibits.spectra]
    if not labels:
        return None
    spectra = {label: np.asarray(exhibits.spectra[label], np.float64) for label in labels}
    styles = looks(comparison)
    columns = min(_COLUMNS, len(labels))
    rows = math.ceil(len(labels) / columns)
    low = min(spectrum.min() for spectrum in spectra.values())
    high = max(spectrum.max() for spectrum in spectra.values())
    with house_style():
        figure = Figure(figsize=(_INCHES * columns + 1.2, (_INCHES + 0.25) * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, (label, spectrum) in enumerate(spectra.items()):
            panel = axes.flat[place]
            height, width = spectrum.shape
            picture = panel.imshow(
                spectrum,
                cmap="inferno",
                vmin=low,
                vmax=high,
                extent=(*_edges(width), *reversed(_edges(height))),
                interpolation="nearest",
                aspect="auto",
            )
            panel.set_box_aspect(1)
            panel.grid(False)
            panel.set_xticks([-0.5, -0.25, 0, 0.25], ["-½", "-¼", "0", "¼"])
            panel.set_yticks([-0.5, -0.25, 0, 0.25], ["-½", "-¼", "0", "¼"])
            literal(title := panel.set_title("", fontsize=8))
            title.set_text(styles[label].label)
        for panel in axes.flat[len(labels) :]:
            panel.set_axis_off()
        figure.supxlabel("horizontal frequency, cycles per pixel", fontsize=9)
        figure.supylabel("vertical", fontsize=9)
        figure.colorbar(picture, ax=axes, label="dB", shrink=0.8)
        uri = png_uri(figure)
    return Drawn(uri, _in_words(spectra), _CAPTION)


_CAPTION = (
    "Mean power spectrum of what is wrong in the reconstructions, frequency zero in the middle, on one scale. A"
    " checkerboard of period 2 shows as bright spots at a frequency of ½, one of period 4 at ¼ too; smooth rings are"
    " lost detail."
)


def _edges(size: int) -> tuple[float, float]:
    """Frequencies at the outer edges of the first and the last of `size` bins."""
    first = -(size // 2) / size
    return first - 0.5 / size, first + 1 - 0.5 / size


def _in_words(spectra: dict[str, np.ndarray]) -> str:
    parts = [
        f"{label}: {spectrum.min():.1f} to {spectrum.max():.1f} dB, median {np.median(spectrum):.1f} dB"
        for label, spectrum in spectra.items()
    ]
    return f"Power spectra of the residuals. {'; '.join(parts)}."
