"""Provides the models' environment: ``python bootstrap.py``.

Standard library only, so that it runs under a bare Python. The worker calls ``provide_python`` when
it starts; by hand it prepares a volume before the first worker does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import config
from volume import environment

LOCK = config.ROOT / "requirements.txt"


def home_dir() -> Path:
    """The worker's folder on the volume, or on local disk where no volume is mounted."""
    return config.HOME_DIR if config.VOLUME_DIR.is_dir() else config.LOCAL_HOME_DIR


def provide_python(tell: Callable[[str], None]) -> Path:
    """The interpreter of the models' environment, installing it on first use.

    Args:
        tell: Called with each step of an install.

    Raises:
        environment.InstallError: With what went wrong and what to do.
    """
    if config.ENGINE_PYTHON:
        return Path(config.ENGINE_PYTHON)
    home = home_dir()
    wheel = config.FLASH_ATTN_WHEEL
    return environment.find(home, LOCK, wheel) or environment.install(
        home, LOCK, tell, optional_wheel=wheel
    )


def main() -> None:
    """Install, or with --check only look."""
    parser = argparse.ArgumentParser(description="Provides the models' environment.")
    parser.add_argument("--check", action="store_true", help="only say whether it is there")
    arguments = parser.parse_args()
    if arguments.check:
        python = config.ENGINE_PYTHON or environment.find(home_dir(), LOCK, config.FLASH_ATTN_WHEEL)
        print(python or f"not installed under {home_dir()}: run `python bootstrap.py`")
        sys.exit(0 if python else 1)
    try:
        print(provide_python(lambda step: print(step, file=sys.stderr)))
    except environment.InstallError as error:
        sys.exit(f"bootstrap failed: {error}")


if __name__ == "__main__":
    main()
