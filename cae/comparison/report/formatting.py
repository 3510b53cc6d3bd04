"""Figures and names as text: the same in Markdown, the page, the terminal and charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cae.comparison.record import Comparison, Contender, Estimate, Pair
from cae.files import printable
from cae.measures.catalogue import by_importance, is_metric, metric
from cae.measures.verdict import TITLES

# Measures that are not of one image; metrics are in the catalogue.
_TITLES = {
    "phase_amplitude": "phase amplitude",
    "phase_amplitude_noise": "amplitude expected of noise",
    "phase_amplitude_shared": "amplitude alike in all images",
    "prominence_db": "prominence (dB)",
    "unevenness": "unevenness of gain",
    "overlap_unevenness": "unevenness of overlap",
}
_FORMATS = {"prominence_db": ".2f"}
_OTHER_FORMAT = "#.4g"
NOTHING = "-"
# Metrics are computed in single precision: further digits mean nothing.
_MOST_DECIMALS = 9


def metric_title(name: str) -> str:
    """Name of a metric or an artefact measure for people.

    >>> metric_title("val_psnr"), metric_title("prominence_db_4"), metric_title("unevenness_stage_1")
    ('validation PSNR (dB)', 'prominence (dB), period 4', 'unevenness of gain, stage 1')
    """
    if name.startswith("val_"):
        return f"validation {metric_title(name.removeprefix('val_'))}"
    if is_metric(name):
        return metric(name).full_title
    measure, period = _without_period(name)
    title = _TITLES.get(measure, measure.replace("_", " "))
    if measure.endswith("_stage"):
        return f"{metric_title(measure.removesuffix('_stage'))}, stage {period}"
    return f"{title}, period {period}" if period else title


def metric_text(name: str, value: float) -> str:
    """Write a metric's value, with as many digits as mean something.

    >>> metric_text("psnr", 27.404), metric_text("mse", 0.00182), metric_text("prominence_db_2", -0.051)
    ('27.40', '0.001820', '-0.05')
    """
    return format(value, _format_of(name))


def amount_text(name: str, value: float) -> str:
    """Write a metric's value with its unit, for a sentence.

    >>> amount_text("psnr", 27.404), amount_text("ssim", 0.91)
    ('27.40 dB', '0.9100')
    """
    return f"{metric_text(name, value)} {metric(name).unit}".rstrip()


def short_title(name: str) -> str:
    """Name of a metric without its unit, for a sentence.

    >>> short_title("psnr")
    'PSNR'
    """
    return metric(name).title


def compared_title(name: str) -> str:
    """What decoders are sorted and compared by, in a metric; see `Metric.compared`.

    >>> compared_title("psnr"), compared_title("high_frequency_ratio")
    ('PSNR (dB)', "distance of each image's high-frequency ratio from 1")
    """
    one = metric(name)
    return f"distance of each image's {one.title} from 1" if one.better == "one" else one.full_title


def difference_text(name: str, value: float, scale: float) -> str:
    """Write a difference of two values of a metric, with its sign.

    >>> difference_text("psnr", 0.304, 0.1), difference_text("psnr", 0.00342, 0.0012), difference_text("mse", -1e-4, 0)
    ('+0.30', '+0.0034', '-0.0001000')

    Args:
        name: the metric's.
        value: the difference.
        scale: of which at least two significant digits are shown, such as half an interval's width; 0 where there is
            none.
    """
    usual = _format_of(name)
    if scale == 0:
        return format(value, "+" + usual)
    least = int(usual[1:-1]) if usual.endswith("f") else 0
    decimals = min(_MOST_DECIMALS, max(least, 1 - math.floor(math.log10(scale))))
    return f"{value:+.{decimals}f}"


def difference_scale(pair: Pair) -> float:
    """Half the width of a pair's narrowest interval; the difference itself where none has a width."""
    ends = ((pair.images_low, pair.images_high), (pair.seeds_low, pair.seeds_high))
    widths = [high - low for low, high in ends if low is not None and high is not None and high > low]
    return min(widths) / 2 if widths else abs(pair.mean)


def why_untested(pair: Pair) -> str:
    """Why a pair has neither a p-value nor an interval over seeds and images."""
    return "one seed" if pair.seeds_low is None else "one image"


def duration_text(seconds: float) -> str:
    """Write a time with about two digits.

    >>> duration_text(7.26), duration_text(125), duration_text(5400)
    ('7.3 seconds', '2.1 minutes', '1.5 hours')
    """
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"


def simple_code_title(name: str) -> str:
    """Name of a baseline or a floor for people.

    >>> simple_code_title("block_klt"), simple_code_title("something_else")
    ('block KLT', 'something else')
    """
    return TITLES.get(name, name.replace("_", " "))


def rounded(number: float) -> str:
    """Write a large number for a sentence.

    >>> rounded(1_209_152), rounded(21_941), rounded(950)
    ('1.2 million', '22 thousand', '950')
    """
    for unit, size in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3)):
        if number >= 9.95 * size or (number >= size and unit != "thousand"):
            return f"{number / size:.0f} {unit}" if number >= 9.95 * size else f"{number / size:.1f} {unit}"
    return f"{number:,.0f}"


def interval_text(name: str, estimate: Estimate) -> str:
    """Write the interval of an estimate.

    >>> interval_text("psnr", Estimate(27.4, 27.2, 27.6, (27.4, 27.3, 27.5)))
    '27.20 to 27.60'
    """
    if estimate.low is None or estimate.high is None:
        return "one seed"
    return f"{metric_text(name, estimate.low)} to {metric_text(name, estimate.high)}"


def estimate_text(name: str, estimate: Estimate | None) -> str:
    """Write an estimate with its interval, as far as there is one.

    >>> estimate_text("psnr", Estimate(27.4, 27.2, 27.6, (27.4, 27.3, 27.5)))
    '27.40 (27.20 to 27.60)'
    """
    if estimate is None:
        return NOTHING
    mean = metric_text(name, estimate.mean)
    return mean if estimate.low is None else f"{mean} ({interval_text(name, estimate)})"


def estimate_amount(comparison: Comparison, contender: Contender) -> str:
    """What a contender reached in the chosen metric, with its unit and interval, for a sentence."""
    name, estimate = comparison.metric, contender.metrics[comparison.metric]
    interval = "" if estimate.low is None else f" (95% interval {interval_text(name, estimate)})"
    return f"{amount_text(name, estimate.mean)}{interval}"


def sentence(text: str) -> str:
    r"""Bring text that may have been broken into lines into one line.

    >>> sentence("Much\ncame  through.")
    'Much came through.'
    """
    return " ".join(text.split())


def shortened(text: str, length: int) -> str:
    """Make a name short enough to stand in a figure, on one line.

    >>> shortened("a_label_without_an_end", 12)
    'a_label_…end'
    """
    text = printable(text)
    if len(text) <= length:
        return text
    end = (length - 1) // 3
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def listing(names: Sequence[str], conjunction: str = "and") -> str:
    """Join names into a phrase.

    >>> listing(["a", "b", "c"]), listing(["a", "b"], "or"), listing(["a"])
    ('a, b and c', 'a or b', 'a')
    """
    return f" {conjunction} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def metric_names(comparison: Comparison) -> list[str]:
    """Metrics that any contender has, the chosen one first."""
    found = by_importance(name for contender in comparison.contenders for name in contender.metrics)
    return [comparison.metric, *(name for name in found if name != comparison.metric)]


def is_judged_by_means(name: str) -> bool:
    """Whether means over images say who is better; a mean ratio does not say how far each image's is from 1."""
    return metric(name).better != "one"


def better_above_zero(name: str, first: str, second: str) -> str:
    """Say which of two is better where the first one's figure minus the second's is above zero.

    >>> better_above_zero("mse", "row", "column")
    'Above zero the column is better.'
    """
    better = first if metric(name).better == "more" else second
    return f"Above zero the {better} is better."


def has_switches(contender: Contender) -> bool:
    """Whether anything bypasses the code by switches."""
    return contender.code["switch_bits"] > 0


def switches_text(comparison: Comparison, contender: Contender) -> str:
    """What came through a decoder's switches, or why that is not known."""
    if contender.ablations_in_words:
        return sentence(contender.ablations_in_words)
    why = ": there is one image only" if comparison.num_images == 1 else ""
    return f"Switches of another image were not tried{why}."


def original_title(comparison: Comparison) -> str:
    """What to call an image beside its reconstructions: decoders may have been given a corrupted one."""
    return "image" if comparison.corruption else "input"


def places(comparison: Comparison) -> dict[str, int]:
    """Label to the place in the table, from 1."""
    return {contender.label: place for place, contender in enumerate(comparison.contenders, start=1)}


def _without_period(name: str) -> tuple[str, str]:
    measure, _, last = name.rpartition("_")
    return (measure, last) if measure and last.isdigit() else (name, "")


def _format_of(name: str) -> str:
    name = name.removeprefix("val_")
    return metric(name).digits if is_metric(name) else _FORMATS.get(_without_period(name)[0], _OTHER_FORMAT)
