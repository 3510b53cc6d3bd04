"""Anomaly detection: scores of unlikeness to training images, a threshold with a guarantee, and figures on labels."""

from cae.anomaly.detection import Detection, Threshold, calibrate, measure_detection
from cae.anomaly.scores import METRICS, Metric, error_map, score_images

__all__ = [
    "METRICS",
    "Detection",
    "Metric",
    "Threshold",
    "calibrate",
    "error_map",
    "measure_detection",
    "score_images",
]
