"""The tables of `docs/anomaly.md`: `python -m docs.anomaly` makes them of the results that lie here."""
