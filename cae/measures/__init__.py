"""Measures: metrics of each image (the catalogue has them all) and of checkerboards in pictures and layers."""
