"""A comparison in TensorBoard: charts of the decoders' curves, one picture, the report as text, sortable metrics."""

from cae.comparison.events.write import write_events

__all__ = ["write_events"]
