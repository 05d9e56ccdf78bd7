"""The models' environment on a volume: never half of one. With real uv and real kills."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from volume import environment

ROOT = Path(__file__).resolve().parent.parent

INSTALL = """
import sys
from pathlib import Path
from volume import environment
home, lock, proof = sys.argv[1:]
print(environment.install(Path(home), Path(lock), print, proof=proof, min_free_bytes=0), flush=True)
"""


def make_wheel(folder: Path, name: str, version: str, code: str) -> Path:
    """A package of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    meta = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", code)
        archive.writestr(
            f"{meta}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{meta}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{meta}/RECORD", "")
    return wheel


def make_lock(folder: Path, version: str = "1.0") -> Path:
    """A lock of one small package, made here, so that no index is needed."""
    wheel = make_wheel(folder, "tinything", version, f"VERSION = {version!r}\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = folder / "lock.txt"
    lock.write_text(f"tinything @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return lock


def start_install(home: Path, lock: Path, proof: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, str(home), str(lock), proof],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def version_in(python: Path) -> str:
    code = "import tinything; print(tinything.VERSION)"
    return subprocess.check_output([python, "-I", "-c", code], text=True).strip()


def test_an_install_is_found_afterwards_and_works(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    steps: list[str] = []
    assert environment.find(home, lock) is None
    python = environment.install(
        home, lock, steps.append, proof="import tinything", min_free_bytes=0
    )
    assert environment.find(home, lock) == python
    assert version_in(python) == "1.0"
    assert len(steps) == 3
    ready = json.loads((python.parent.parent / environment.READY).read_text())
    assert ready["lock_sha256"] == hashlib.sha256(lock.read_bytes()).hexdigest()


def test_a_changed_lock_makes_another_environment_beside_the_old_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    pythons = []
    for version in ("1.0", "2.0"):
        lock = make_lock(tmp_path / version, version)
        proof = f"import tinything; assert tinything.VERSION == {version!r}"
        pythons.append(environment.install(home, lock, print, proof=proof, min_free_bytes=0))
    assert [version_in(python) for python in pythons] == ["1.0", "2.0"]


def test_an_environment_that_proves_nothing_is_not_published(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    with pytest.raises(environment.InstallError, match="ModuleNotFoundError"):
        environment.install(home, lock, print, proof="import nosuchthing", min_free_bytes=0)
    assert environment.find(home, lock) is None
    assert list((home / "venvs").iterdir()) == []


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    text = lock.read_text()
    lock.write_text(text[:-8] + ("0" * 7 if not text.endswith("0000000\n") else "1" * 7) + "\n")
    with pytest.raises(environment.InstallError, match=r"[Hh]ash"):
        environment.install(home, lock, print, proof="", min_free_bytes=0)
    assert list((home / "venvs").iterdir()) == []


def test_a_volume_without_space_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(environment.InstallError, match="GB free"):
        environment.install(tmp_path / "home", make_lock(tmp_path), print, min_free_bytes=1 << 60)


def test_an_install_killed_before_its_end_leaves_nothing_that_counts(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    proof = f"open({str(tmp_path / 'proving')!r}, 'w').close(); import time; time.sleep(60)"
    installing = start_install(home, lock, proof)
    deadline = time.monotonic() + 60
    while not (tmp_path / "proving").exists():
        assert time.monotonic() < deadline, installing.poll()
        time.sleep(0.02)
    os.killpg(installing.pid, signal.SIGKILL)
    installing.communicate()
    assert environment.find(home, lock) is None
    python = environment.install(home, lock, print, proof="import tinything", min_free_bytes=0)
    assert version_in(python) == "1.0"


def test_installers_that_race_all_get_the_same_environment(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    racers = [start_install(home, lock, "import tinything") for _ in range(4)]
    answers = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0], answers
    pythons = {answer[0].splitlines()[-1] for answer in answers}
    assert pythons == {str(environment.find(home, lock))}
    assert [path.name for path in (home / "venvs").iterdir()] == [
        f"venv-{environment.fingerprint(lock)}"
    ]


def test_a_folder_without_its_marker_is_replaced(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    place = home / "venvs" / f"venv-{environment.fingerprint(lock)}"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    assert environment.find(home, lock) is None
    python = environment.install(home, lock, print, proof="import tinything", min_free_bytes=0)
    assert version_in(python) == "1.0"


@pytest.mark.parametrize(
    ("code", "is_there"), [("FAST = True\n", True), ("raise ImportError('wrong CUDA')\n", False)]
)
def test_an_optional_wheel_is_kept_only_where_it_works(
    tmp_path: Path, code: str, is_there: bool
) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    wheel = str(make_wheel(tmp_path, "flash_thing", "1.0", code))
    python = environment.install(
        home, lock, print, proof="import tinything", min_free_bytes=0, optional_wheel=wheel
    )
    assert environment.find(home, lock, wheel) == python
    assert environment.find(home, lock) is None
    found = "import importlib.util as u; print(u.find_spec('flash_thing') is not None)"
    printed = subprocess.check_output([python, "-I", "-c", found], text=True).strip()
    assert printed == str(is_there)


def test_an_optional_wheel_that_is_nowhere_is_not_in_the_way(tmp_path: Path) -> None:
    home, lock = tmp_path / "home", make_lock(tmp_path)
    wheel = str(tmp_path / "flash_thing-1.0-py3-none-any.whl")
    python = environment.install(
        home, lock, print, proof="import tinything", min_free_bytes=0, optional_wheel=wheel
    )
    assert version_in(python) == "1.0"


def test_the_bootstrap_runs_under_a_bare_python(tmp_path: Path) -> None:
    # -S: no site-packages, as on a machine that has nothing installed.
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "bootstrap.py"), "--check"],
        env={"PATH": os.environ["PATH"], "PARAKEET_VOLUME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "run `python bootstrap.py`" in done.stdout
    assert done.stderr == ""
