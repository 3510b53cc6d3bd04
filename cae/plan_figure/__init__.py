"""The plan as a picture: encoder on the left going down to the code, decoder on the right going up again."""
