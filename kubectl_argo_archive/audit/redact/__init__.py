"""What is masked in a bundle, and the commitment to what stood there."""
