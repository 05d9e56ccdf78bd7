"""tools/get_uv.sh takes a fitting uv where there is one, and says what it lacks to install one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with what the script itself needs, and no Python."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("dirname", "mkdir", "mktemp", "rm"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a repository of its own, so that no .tools is there yet."""
    copy = tmp_path / "repository" / "tools" / "get_uv.sh"
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "get_uv.sh", copy)
    return copy


def get_uv(script: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(script)],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def make_uv(place: Path, version: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\necho 'uv {version} (some build)'\n")
    place.chmod(0o755)


def pinned(script: Path) -> str:
    lines = script.read_text().splitlines()
    return next(line.split("=")[1].split()[0] for line in lines if line.startswith("UV_VERSION="))


def test_another_patch_release_on_the_path_will_do(script: Path, programs: Path) -> None:
    minor = pinned(script).rpartition(".")[0]
    make_uv(programs / "uv", f"{minor}.9999")
    done = get_uv(script, programs)
    assert (done.returncode, done.stdout) == (0, f"{programs / 'uv'}\n")


def test_the_one_that_was_installed_before_is_taken(script: Path, programs: Path) -> None:
    make_uv(programs / "uv", "0.0.1")
    installed = script.parent.parent / ".tools" / "uv" / "bin" / "uv"
    make_uv(installed, pinned(script))
    assert get_uv(script, programs).stdout == f"{installed}\n"


def test_without_python_it_says_so(script: Path, programs: Path) -> None:
    make_uv(programs / "uv", "0.0.1")
    done = get_uv(script, programs)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"uv {pinned(script)} could not be installed: python3 is not on the PATH" in done.stderr


def test_a_failed_install_is_told_and_leaves_nothing_behind(script: Path, programs: Path) -> None:
    python = programs / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")  # a Python in which pip fails
    python.chmod(0o755)
    done = get_uv(script, programs)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"uv {pinned(script)} could not be installed" in done.stderr
    assert not any((script.parent.parent / ".tools").iterdir())
