"""How unlike its training images something is: scores, a threshold with a guarantee, and what labels say of both."""

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
