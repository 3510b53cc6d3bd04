"""A trained model on any images: pictures of any size, arrays, and codes, whatever the run was trained on."""

from cae.inference.trained_autoencoder import TrainedAutoencoder

__all__ = ["TrainedAutoencoder"]
