"""The network volume: the models' environment on it. Standard library and config only."""
