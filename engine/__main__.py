"""The engine's process: ``python -I -u engine/__main__.py FD``.

FD is one end of a socket pair; the other end belongs to the worker. The process ends with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the worker dies, however it dies."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def main() -> None:
    """Serve until the worker says stop or is gone."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: engine/__main__.py FD (started by the worker)")
    die_with_parent()
    # Libraries print on stdout; the worker's stdout is nobody's protocol, but stderr is the log.
    os.dup2(2, 1)
    # Under -I the script's folder is not on the path.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from engine import server

    server.serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
