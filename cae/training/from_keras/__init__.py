"""What a user of Keras brings along: callbacks, and objects such as optimizers and losses."""
