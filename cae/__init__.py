"""Train convolutional autoencoders with any decoder upsampling, and compare them fairly."""

__version__ = "0.1.0"
