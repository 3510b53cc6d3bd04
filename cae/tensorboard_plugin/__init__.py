"""The TensorBoard tab that compares decoders picture by picture: what training writes for it, and what shows it."""
