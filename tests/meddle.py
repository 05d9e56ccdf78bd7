"""Run ``bootstrap.py`` and meddle right before one of its file operations.

    python -S meddle.py PATTERN NUMBER ACTION

The operations are those that Python itself announces (PEP 578), as "os.rename FROM TO", "open PATH"
and the like; the NUMBER-th that PATTERN is found in counts. ACTION is "stop", which stops the
process until SIGCONT, "count", which lives and writes how many there were to the file that $COUNT
names, or a line for the control file of slowfs that $CONTROL names: a fault.
"""

from __future__ import annotations

import atexit
import os
import re
import runpy
import signal
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVENTS = {
    "open", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.chmod",
    "os.utime", "os.truncate", "os.listdir", "os.scandir", "shutil.copyfile",
}  # fmt: skip


def main() -> None:
    """Count, and meddle."""
    pattern, number, action = re.compile(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    sys.argv = [str(ROOT / "bootstrap.py"), "--json"]
    sys.path.insert(0, str(ROOT))
    counter = 0
    lock = threading.Lock()
    meddling = threading.local()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal counter
        if event not in EVENTS or getattr(meddling, "now", False):
            return
        if not pattern.search(" ".join(map(str, (event, *arguments[:2])))):
            return
        with lock:
            counter += 1
            if counter == number:
                meddling.now = True
                act(action)
                meddling.now = False

    # The imports read files too, which is of no interest.
    runpy.run_path(str(ROOT / "bootstrap.py"), run_name="imported")
    if action == "count":
        atexit.register(lambda: Path(os.environ["COUNT"]).write_text(str(counter)))
    sys.addaudithook(note)
    runpy.run_path(str(ROOT / "bootstrap.py"), run_name="__main__")


def act(action: str) -> None:
    """Do it."""
    if action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action != "count":
        Path(os.environ["CONTROL"]).write_text(f"{action}\n")


if __name__ == "__main__":
    main()
