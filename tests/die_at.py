"""Run ``bootstrap.py`` and die by SIGKILL right before its N-th file operation: ``die_at.py N``.

With N = 0 it lives, and writes how many there were to the file that $DIE_AT_COUNT names. The
operations are those that Python itself announces (PEP 578): each open, rename, link, mkdir, remove,
and each start of a program.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVENTS = {
    "open", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.chmod",
    "os.utime", "os.truncate", "os.listdir", "os.scandir", "subprocess.Popen", "shutil.rmtree",
    "shutil.copyfile",
}  # fmt: skip


def main() -> None:
    """Count, and die."""
    die_at = int(sys.argv[1])
    sys.argv = [str(ROOT / "bootstrap.py"), *sys.argv[2:]]
    sys.path.insert(0, str(ROOT))
    counter = 0
    lock = threading.Lock()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal counter
        if event not in EVENTS or "__pycache__" in str(arguments[:1]):
            return
        with lock:
            counter += 1
            if counter == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def tell() -> None:
        if path := os.environ.get("DIE_AT_COUNT"):
            Path(path).write_text(str(counter))

    # The imports read files too, which is of no interest.
    runpy.run_path(str(ROOT / "bootstrap.py"), run_name="imported")
    atexit.register(tell)
    sys.addaudithook(note)
    runpy.run_path(str(ROOT / "bootstrap.py"), run_name="__main__")


if __name__ == "__main__":
    main()
