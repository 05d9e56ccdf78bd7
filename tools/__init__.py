"""Command lines for people: the demo, the image check, the check with the real models."""
