"""Machines for tests: programs, and real mounts where they are allowed, one of which hangs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

READ_ONLY = 1
"""MS_RDONLY of mount(2)."""
_FORCE, _DETACH = 1, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def put_program(folder: Path, name: str, script: str) -> Path:
    """A program for a folder of the PATH, from the lines of a shell script."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@contextmanager
def mounted(kind: str, point: Path, options: str = "", flags: int = 0) -> Iterator[Path]:
    """Mount a file system while the context lasts; skips the test where that is not allowed."""
    point.mkdir(exist_ok=True)
    status = _LIBC.mount(b"test", os.fsencode(point), kind.encode(), flags, options.encode())
    if status != 0:
        pytest.skip(f"mounting {kind}: {os.strerror(ctypes.get_errno())}")
    try:
        yield point
    finally:
        # Also ends whatever still waits for an answer.
        _LIBC.umount2(os.fsencode(point), _FORCE | _DETACH)


@contextmanager
def hanging(point: Path) -> Iterator[Path]:
    """A FUSE mount whose server takes every request and answers none.

    Who asks it for anything is in state D from then on, and cannot be killed.
    """
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")
    server = threading.Thread(target=_take_and_be_silent, args=(device,))
    try:
        options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        with mounted("fuse", point, options):
            server.start()
            yield point
    finally:
        if server.ident is not None:
            server.join()
        os.close(device)


def _take_and_be_silent(device: int) -> None:
    """Answer the first request, INIT (linux/fuse.h), without which no other is sent."""
    header = "=IIQQIIII"
    with contextlib.suppress(OSError):  # ENODEV: it is unmounted
        unique = struct.unpack_from(header, os.read(device, 1 << 17))[2]
        version_7_31 = struct.pack("=IIIIHHIIHHII24x", 7, 31, 0, 0, 1, 1, 4096, 1, 0, 0, 0, 0)
        os.write(device, struct.pack("=IiQ", 16 + len(version_7_31), 0, unique) + version_7_31)
        while True:
            os.read(device, 1 << 17)
