"""The models: Parakeet, the diarizer, their memory and their serving loop."""
