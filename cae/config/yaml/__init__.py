"""Configurations as text: YAML to a tree that knows where each value stands, and a configuration back to YAML."""
