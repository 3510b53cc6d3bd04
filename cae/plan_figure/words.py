"""The picture's texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cae.plan_figure.boxes import Line
from cae.plan_figure.steps import Link, Step, as_text, make_links, make_steps

if TYPE_CHECKING:
    from cae.plan.operations import Shape
    from cae.plan.plan import Plan

_GRAY = "#595959"


def title(plan: Plan) -> str:
    """What the picture shows, in a few words."""
    return f"Autoencoder for images of {as_text(plan.image_shape)}"


def head_lines(plan: Plan) -> tuple[Line, ...]:
    """The title and the totals."""
    code = plan.code
    totals = (
        f"{plan.parameters:,} parameters, {plan.macs:,} MACs for each image",
        f"code of {code.values:,} values: {code.values * code.bits_per_value:,} bits,"
        f" {code.ratio:.3g} times the image's {code.image_bits:,} bits",
    )
    switches = (
        f"switches of up to {code.switch_bits:,} bits round the code:"
        f" {code.ratio_with_switches:.3g} times the image's bits together",
    )
    lines = totals + (switches if code.switch_bits else ())
    return (Line(title(plan), 13, "bold"), *(Line(text, 9.5) for text in lines))


def step_lines(step: Step) -> tuple[Line, ...]:
    """A step's label: what it does, what it gives and its name."""
    return (
        Line(step.summary, 9, "bold"),
        Line(f"{as_text(step.shape)}, {_counted(step.parameters, 'parameter')}", 8.5),
        Line(step.name, 7.5, color=_GRAY),
    )


def end_lines(name: str, shape: Shape) -> tuple[Line, ...]:
    """Label of the image or of the reconstruction."""
    return Line(name, 9, "bold"), Line(f"{as_text(shape)}, {_counted(math.prod(shape), 'value')}", 8.5)


def code_lines(plan: Plan) -> tuple[Line, ...]:
    """Label of the code."""
    code = plan.code
    return (
        Line(f"code {as_text(plan.latent_shape)}", 10, "bold"),
        Line(_counted(code.values, "value"), 9),
        Line(f"{code.values * code.bits_per_value:,} bits in float32", 9),
    )


def link_line(link: Link) -> Line:
    """Label of a link."""
    return Line(link.label, 8)


def description(plan: Plan) -> str:
    """Say the whole picture in sentences, for those who do not see it."""
    sentences = [". ".join(line.text for line in head_lines(plan))]
    for part, operations in (("Encoder", plan.encoder), ("Decoder", plan.decoder)):
        steps = (f"{step.summary} gives {as_text(step.shape)} ({step.name})" for step in make_steps(operations))
        sentences.append(f"{part}: {'; '.join(steps)}")
    for link in make_links(plan):
        verb = "passes switches to" if link.kind == "switches" else "shares its kernel with"
        sentences.append(f"{link.source} {verb} {link.target} ({link.label})")
    return ". ".join(sentences) + "."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
