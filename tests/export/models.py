"""Models with random weights that look trained: biases and statistics that are not their start's."""

import numpy as np

from cae.config.model import ModelSection
from cae.kinds.catalogue import upsampling_variants
from cae.model import build_autoencoder
from cae.plan import make_plan

# Every kind, in as few models as stages allow.
KINDS = {upsampling.label: upsampling.model_dump() for upsampling in upsampling_variants()}


def build(upsampling, shape=(21, 14, 3), bottleneck="none", tied=False, seed=0, **encoder):
    """An autoencoder in float32; its weights are as random as those of another seed are different."""
    stages = len(upsampling) if isinstance(upsampling, list) else 2
    section = ModelSection.model_validate(
        {
            "encoder": {"filters": [4, 8, 8, 8, 8, 8][:stages]} | encoder,
            "bottleneck": bottleneck,
            "decoder": {"upsampling": upsampling, "tied_weights": tied},
        }
    )
    autoencoder = build_autoencoder(make_plan(section, shape), seed=seed)
    generator = np.random.default_rng(seed)
    # Kernels half as large again, so that signals reach the end; variances stay positive.
    autoencoder.model.set_weights(
        [
            1.5 * weight if weight.ndim > 1 else weight + generator.uniform(0, 0.1, weight.shape).astype(np.float32)
            for weight in autoencoder.model.get_weights()
        ]
    )
    return autoencoder


def make_batch(shape, number=5, seed=1):
    """Random images, float32 in [0, 1]."""
    return np.random.default_rng(seed).random((number, *shape), np.float32)
