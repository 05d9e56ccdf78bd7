"""Those who call the worker: on this machine, or at an endpoint."""
