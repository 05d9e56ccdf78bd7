"""What can go wrong between an empty volume and a running engine: one class, one code each.

The worker's own tree (speech/errors.py) is not visible from here: this package runs under a bare
Python. The handler translates, code by code.
"""

from __future__ import annotations


class BootstrapError(Exception):
    """The environment or the models cannot be provided.

    Args:
        code: A key of ``speech.errors.CODES``.
        message: For the operator: what was wrong, what came, what to do. Never a token.
        retryable: Whether it may pass by itself.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class EndingError(BootstrapError):
    """This process is to end; nothing is wrong with the volume."""

    def __init__(self) -> None:
        super().__init__("bootstrap_failed", "the worker is ending", retryable=True)


class LeaseLostError(Exception):
    """Another worker has taken over; what was being made must not be published."""


class DamagedError(Exception):
    """Something published is not what its manifest says."""
