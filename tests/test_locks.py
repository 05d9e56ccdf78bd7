"""The lock files belong together: what passes the tests is what ships."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pins(lock: str) -> dict[str, set[str]]:
    """Package -> pinned versions (one for each Python where they differ)."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    return found


def test_tests_run_with_the_versions_that_ship() -> None:
    dev = pins("requirements-dev.txt")
    for lock in ("requirements.txt", "requirements-worker.txt"):
        for package, versions in pins(lock).items():
            assert dev[package] == versions, f"{package} differs: run `make lock`"


def test_every_pin_has_hashes() -> None:
    for lock in ROOT.glob("requirements*.txt"):
        requirements = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())
        for requirement in requirements:
            assert "--hash=sha256:" in requirement, f"{lock.name}: {requirement.splitlines()[0]}"


def test_every_direct_dependency_has_its_reason() -> None:
    for source in ROOT.glob("requirements*.in"):
        for line in source.read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                assert re.search(r"\S +# \S", line), f"{source.name}: {line}"


def test_versions_that_code_was_checked_against() -> None:
    # engine/nemo_attention.py, engine/diarizer.py and utils/progress.py lean on their insides.
    pinned = {**pins("requirements.txt"), **pins("requirements-worker.txt")}
    expected = {
        "nemo-toolkit": {"3.0.0"},
        "pyannote-audio": {"4.0.7"},
        "torch": {"2.8.0"},
        "torchaudio": {"2.8.0"},
        "runpod": {"1.12.0"},
    }
    assert {name: pinned[name] for name in expected} == expected
