"""What networks are made of: operations as arithmetic, and the kinds that a configuration chooses from."""
