"""Checkerboard artefacts and blur: of a decoder's layers without data, and of reconstructions.

Three measures of checkerboards, each with its own question. `unevenness`: does the layer answer a constant input
with a pattern? `phase_amplitude`: how strong is the part of the error that repeats with the upsampling's period?
`grid_prominence`: does it stand out from the rest of the error's spectrum? And one of blur,
`high_frequency_ratio`. Pictures are (batch, height, width, channels) with pixels in [0, 1].
"""

from cae.artefacts.gain import overlap_unevenness, phase_gains, unevenness
from cae.artefacts.meter import ArtefactMeter
from cae.artefacts.phases import expected_from_noise, phase_amplitude
from cae.artefacts.prominence import grid_prominence
from cae.artefacts.sharpness import high_frequency_ratio
from cae.artefacts.stages import stage_unevenness

__all__ = [
    "ArtefactMeter",
    "expected_from_noise",
    "grid_prominence",
    "high_frequency_ratio",
    "overlap_unevenness",
    "phase_amplitude",
    "phase_gains",
    "stage_unevenness",
    "unevenness",
]
