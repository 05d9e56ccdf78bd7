"""Training of the demonstration models on synthetic speech."""
