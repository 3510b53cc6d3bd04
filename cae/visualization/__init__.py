"""What a run's feature maps respond to: the images that activate each map most, projected back to pixels."""
