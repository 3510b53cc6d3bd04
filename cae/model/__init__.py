"""The Keras model, built from a plan."""

from cae.model.build import Autoencoder, build_autoencoder

__all__ = ["Autoencoder", "build_autoencoder"]
