"""What is verified after the fact, from the consumer's side: asset checks on the image nodes."""
