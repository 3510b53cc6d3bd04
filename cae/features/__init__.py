"""What codes are worth: probes on labels, pictures of the space that they lie in, TensorBoard's projector."""
