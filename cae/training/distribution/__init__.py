"""Several devices and processes in one training: which there are, and how they keep together."""
