"""A comparison in TensorBoard: one picture, the report as text, sortable metrics."""

from cae.comparison.events.write import write_events

__all__ = ["write_events"]
