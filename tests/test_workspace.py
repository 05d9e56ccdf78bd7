from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from utils.workspace import job_directory, sweep

# Enters a job's directory, says which, and stays there until it is killed.
HOLDER = """
import sys
from pathlib import Path
from utils.workspace import job_directory
with job_directory("held", root=Path(sys.argv[1])) as directory:
    (directory / "source").write_bytes(b"x")
    print(directory, flush=True)
    sys.stdin.read()
"""


def hold(root: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        cwd=config.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_directory_is_private_and_goes_with_what_is_in_it(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "jobs"
    with job_directory("job-1", root=root) as directory:
        assert directory.parent == root
        assert "job-1" in directory.name
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "sub").mkdir()
        (directory / "sub" / "file").write_bytes(b"x")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_directory_goes_whatever_happens(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), job_directory("job", root=tmp_path) as directory:
        (directory / "source").write_bytes(b"x")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_the_same_id_twice_at_once_gives_two_directories(tmp_path: Path) -> None:
    with job_directory("job", root=tmp_path) as one:
        with job_directory("job", root=tmp_path) as other:
            assert one != other
        assert one.is_dir()
        assert not other.exists()


@given(st.text() | st.sampled_from(["../../etc", "/etc/passwd", "a\0b", "x" * 5000, "..", ""]))
def test_any_id_gives_a_directory_inside_the_root(
    tmp_path_factory: pytest.TempPathFactory, job_id: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "any-id"
    with job_directory(job_id, root=root) as directory:
        assert directory.resolve().parent == root.resolve()
        assert sweep(root=root) == 0
        assert directory.is_dir()


def test_sweep_removes_what_a_killed_process_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    living, living_directory = hold(tmp_path)
    dead, dead_directory = hold(tmp_path)
    try:
        with job_directory("own", root=tmp_path) as own_directory:
            assert sweep(root=tmp_path) == 0
            kill(dead)
            assert (dead_directory / "source").is_file()
            assert sweep(root=tmp_path) == 1
            left = {tmp_path / "notes", living_directory, own_directory}
            assert set(tmp_path.iterdir()) == left
    finally:
        kill(living)


def test_sweep_knows_a_process_number_that_was_used_again(tmp_path: Path) -> None:
    living, directory = hold(tmp_path)
    try:
        pid, started, rest = directory.name.split("-", 2)
        earlier = tmp_path / f"{pid}-{int(started) - 1}-{rest}"
        earlier.mkdir()
        assert sweep(root=tmp_path) == 1
        assert list(tmp_path.iterdir()) == [directory]
    finally:
        kill(living)


def test_sweep_of_a_root_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert sweep(root=tmp_path / "none") == 0
