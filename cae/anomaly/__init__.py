"""Anomaly detection: scores of unlikeness to training images, a threshold with a guarantee, and figures on labels."""

from cae.anomaly.detection import Detection, Threshold, calibrate, measure_detection
from cae.anomaly.scores import METRICS, ErrorMetric, error_map, score_images

__all__ = [
    "METRICS",
    "Detection",
    "ErrorMetric",
    "Threshold",
    "calibrate",
    "error_map",
    "measure_detection",
    "score_images",
]
