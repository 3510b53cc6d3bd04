"""What a run's feature maps respond to: the images that activate each most, projected back to pixel space."""
