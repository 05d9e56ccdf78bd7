"""The stand-in for a network volume does what it is told, to one host and not to the other."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests import slow_mount
from tests.environments import ROOT
from tests.slow_mount import Mount
from tests.worker_process import wait_for

DEADLINE_S = 20.0


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The folder behind the mounts, with one file."""
    slow_mount.require()
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "file").write_bytes(b"content")
    return tmp_path / "volume"


@pytest.fixture
def host(volume: Path, tmp_path: Path) -> Iterator[Mount]:
    at = tmp_path / "mount"
    at.mkdir()
    with slow_mount.mounted(volume, at, attr_s=0, entry_s=0) as mount:
        yield mount


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Mount, Mount]]:
    slow_mount.require()
    with slow_mount.two_hosts(tmp_path, attr_s=0, entry_s=0) as (one, other):
        (one.path / "file").write_bytes(b"content")
        yield one, other


def error_of(action: Callable[[], object]) -> str | None:
    """The name of the error that an action ends with."""
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def child(*command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that may hang, and does not outlive the test."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def slowfs_processes() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [process for process in found if process.name() == "slowfs"]


def is_mounted(path: Path) -> bool:
    return f" {path} " in Path("/proc/mounts").read_text()


def test_a_file_tree_is_the_same_from_both_sides(host: Mount, volume: Path) -> None:
    at = host.path
    (at / "folder").mkdir()
    (at / "folder" / "one").write_bytes(b"x" * 3_000_000)
    (at / "folder" / "one").rename(at / "two")
    (at / "link").symlink_to("two")
    (at / "hard").hardlink_to(at / "two")
    (at / "folder").rmdir()
    (at / "file").unlink()
    (at / "two").chmod(0o640)
    os.truncate(at / "two", 2_000_000)
    os.utime(at / "two", ns=(10**18, 10**18))
    for side in (at, volume):
        assert names(side) == ["hard", "link", "two"]
        assert (side / "link").readlink() == Path("two")
        assert (side / "link").read_bytes() == b"x" * 2_000_000
        status = (side / "two").stat()
        assert (status.st_mode & 0o777, status.st_nlink, status.st_mtime_ns) == (0o640, 2, 10**18)
    assert (at / "two").stat().st_ino == (volume / "two").stat().st_ino


def test_operations_are_counted_by_kind(host: Mount) -> None:
    at = host.path
    host.reset()
    assert (at / "file").read_bytes() == b"content"
    (at / "new").write_bytes(b"12345")
    (at / "new").rename(at / "renamed")
    (at / "link").symlink_to("renamed")
    assert (at / "link").readlink() == Path("renamed")
    assert names(at) == ["file", "link", "renamed"]
    (at / "renamed").unlink()
    counts = host.counters()
    once = ("open", "read", "write", "readlink", "readdir", "rename", "unlink")
    assert {kind: counts[kind] for kind in once} == dict.fromkeys(once, 1)
    assert (counts["create"], counts["read_mb"], counts["write_mb"]) == (2, 7e-6, 5e-6)
    assert counts["lookup"] > 0

    host.set("lat_us", 1)
    host.reset()
    counts = host.counters()
    assert counts["lat_us"] == 1
    assert (counts["lookup"], counts["create"], counts["write_mb"]) == (0, 0, 0)


def test_settings_are_read_back_and_wrong_ones_refused(host: Mount) -> None:
    for name, value in (("lat_us", 200), ("bw_mbs", 300), ("enospc", 10**9), ("edquot", 10**12)):
        host.set(name, value)
        assert host.counters()[name] == value
    for name, value in (("lat_us", -1), ("hang", 2), ("enospc", -2), ("latency", 1)):
        assert error_of(partial(host.set, name, value)) == "EINVAL"
    (host.path / "large").write_bytes(bytes(3_000_000))
    assert host.counters()["enospc"] == 10**9 - 3_000_000
    assert (host.path / "large").read_bytes() == bytes(3_000_000)


def test_options_of_the_mount_are_settings(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    with slow_mount.mounted(volume, tmp_path / "mount", lat_us=1500) as host:
        assert host.counters()["lat_us"] == 1500
        assert (host.path / "file").read_bytes() == b"content"
    with (
        pytest.raises(RuntimeError, match="lat_us cannot be -1"),
        slow_mount.mounted(volume, tmp_path / "mount", lat_us=-1),
    ):
        pass


def test_hosts_see_each_others_files(hosts: tuple[Mount, Mount]) -> None:
    one, other = hosts
    assert (other.path / "file").read_bytes() == b"content"
    (other.path / "file").rename(other.path / "moved")
    (other.path / "moved").write_bytes(b"longer content")
    assert names(one.path) == ["moved"]
    assert (one.path / "moved").read_bytes() == b"longer content"


def test_a_host_sees_late_what_the_kernel_caches(tmp_path: Path) -> None:
    slow_mount.require()
    with slow_mount.two_hosts(tmp_path, attr_s=600, entry_s=600, neg_s=600) as (one, other):
        (one.path / "file").write_bytes(b"content")
        assert (other.path / "file").stat().st_size == 7
        assert not (other.path / "late").exists()
        (one.path / "file").write_bytes(b"longer content")
        (one.path / "late").touch()
        before = other.counters()["lookup"]
        assert (other.path / "file").stat().st_size == 7
        assert not (other.path / "late").exists()
        assert other.counters()["lookup"] == before
        assert names(other.path) == ["file", "late"]


def test_what_was_read_is_there_for_a_later_map(host: Mount, volume: Path) -> None:
    content = os.urandom(300_000)
    (volume / "library").write_bytes(content)
    assert (host.path / "library").read_bytes() == content
    reads = host.counters()["read"]
    with (host.path / "library").open("rb") as file:
        assert mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[:] == content
    assert host.counters()["read"] == reads > 0


@pytest.mark.parametrize(("name", "error"), [("enospc", "ENOSPC"), ("edquot", "EDQUOT")])
def test_writing_ends_where_the_room_does(
    hosts: tuple[Mount, Mount], name: str, error: str
) -> None:
    one, other = hosts
    one.set(name, 400_000)
    status = os.statvfs(one.path)
    assert (status.f_bavail == 400_000 // status.f_frsize) == (name == "enospc")
    with (one.path / "file").open("wb", buffering=0) as file:
        assert file.write(bytes(900_000)) == 400_000
        assert error_of(lambda: file.write(b"x")) == error
    assert error_of((one.path / "new").touch) == error
    assert error_of((one.path / "folder").mkdir) == error
    assert (other.path / "file").stat().st_size == 400_000
    (other.path / "new").write_bytes(b"x")
    assert one.counters()[name] == 0
    one.set(name, -1)
    (one.path / "new").write_bytes(b"room again")


@pytest.mark.parametrize(("name", "error"), [("estale", "ESTALE"), ("eio", "EIO")])
def test_a_host_loses_the_volume(hosts: tuple[Mount, Mount], name: str, error: str) -> None:
    one, other = hosts
    with (one.path / "file").open("r+b", buffering=0) as file:
        one.set(name, 1)
        assert error_of(lambda: file.write(b"x")) == error
        assert error_of(lambda: os.fsync(file.fileno())) == error
        assert error_of((one.path / "file").stat) == error
        assert error_of(lambda: os.statvfs(one.path)) == error
        assert one.counters()[name] == 1
        assert (other.path / "file").read_bytes() == b"content"
        one.set(name, 0)
    assert (one.path / "file").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("name", "error", "tries"),
    # After ESTALE the kernel looks a path up once more before it tells anybody.
    [("estale_next", "ESTALE", 2), ("eio_next", "EIO", 1)],
)
def test_some_operations_fail_and_then_none(host: Mount, name: str, error: str, tries: int) -> None:
    host.set(name, 2 * tries)
    os.statvfs(host.path)  # not of the kind that fails
    outcomes = [error_of((host.path / "file").stat) for _ in range(3)]
    assert outcomes == [error, error, None]
    assert host.counters()[name] == 0
    with (host.path / "file").open("rb", buffering=0) as file:
        host.set(name, 1)
        assert error_of(lambda: os.read(file.fileno(), 100)) == error
        assert os.read(file.fileno(), 100) == b"content"


def test_a_volume_turns_read_only(host: Mount) -> None:
    with (host.path / "file").open("r+b", buffering=0) as file:
        host.set("ro", 1)
        assert error_of(lambda: file.write(b"x")) == "EROFS"
    changes: list[Callable[[], object]] = [
        (host.path / "new").touch,
        (host.path / "folder").mkdir,
        (host.path / "file").unlink,
        partial((host.path / "file").rename, host.path / "other"),
        partial((host.path / "file").open, "r+b"),
    ]
    assert [error_of(change) for change in changes] == ["EROFS"] * 5
    assert (host.path / "file").read_bytes() == b"content"
    host.set("ro", 0)
    (host.path / "file").unlink()


def test_a_volume_without_hard_links(host: Mount) -> None:
    host.set("nolink", 1)
    link = partial((host.path / "hard").hardlink_to, host.path / "file")
    assert error_of(link) == "EPERM"
    (host.path / "soft").symlink_to("file")
    host.set("nolink", 0)
    assert error_of(link) is None


def test_what_hangs_goes_on_when_it_may(hosts: tuple[Mount, Mount]) -> None:
    one, other = hosts
    one.reset()
    one.set("hang", 1)
    with child("cat", one.path / "file") as reader:
        wait_for("a hanging lookup", lambda: one.counters()["lookup"], DEADLINE_S)
        assert (other.path / "file").read_bytes() == b"content"
        assert reader.poll() is None
        one.set("hang", 0)
        assert reader.communicate(timeout=DEADLINE_S)[0] == b"content"
    assert reader.returncode == 0


def test_a_signal_ends_what_hangs(host: Mount) -> None:
    host.set("hang", 1)
    host.reset()
    with child("stat", host.path / "file") as looker:
        wait_for("a hanging lookup", lambda: host.counters()["lookup"], DEADLINE_S)
        looker.terminate()
        assert looker.wait(DEADLINE_S) == -signal.SIGTERM


def test_however_much_hangs_the_control_file_answers(host: Mount) -> None:
    host.reset()
    host.set("hang", 1)
    script = (
        "import os, sys, threading\n"
        "for i in range(100): threading.Thread(target=os.statvfs, args=sys.argv[1:]).start()\n"
    )
    with child(sys.executable, "-c", script, host.path) as looker:
        wait_for("100 that hang", lambda: host.counters()["other"] >= 100, DEADLINE_S)
        host.set("hang", 0)
        assert looker.wait(DEADLINE_S) == 0


def lock(file: Path) -> str | None:
    """Try to lock a file. The error, or None; it is unlocked again."""
    with file.open("r+b") as opened:
        return error_of(lambda: fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB))


@pytest.mark.parametrize(
    ("locks", "first", "same_host", "other_host"),
    [
        ("real", None, "EAGAIN", "EAGAIN"),
        ("local", None, "EAGAIN", None),
        ("lie", None, None, None),
        ("none", "ENOLCK", "ENOLCK", "ENOLCK"),
    ],
)
def test_locks(
    tmp_path: Path, locks: str, first: str | None, same_host: str | None, other_host: str | None
) -> None:
    slow_mount.require()
    with slow_mount.two_hosts(tmp_path, locks=locks) as (one, other):
        with (one.path / "file").open("wb") as held:
            took = error_of(lambda: fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB))
            assert took == first
            assert lock(one.path / "file") == same_host
            assert lock(other.path / "file") == other_host
        wait_for("the lock is free", lambda: lock(other.path / "file") == first, DEADLINE_S)


def test_waiting_for_a_lock_ends_with_it_or_with_a_signal(hosts: tuple[Mount, Mount]) -> None:
    one, other = hosts
    with (one.path / "file").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = ("flock", other.path / "file", "true")
        with child(*command) as patient, child(*command) as impatient:
            wait_for("two waiting", lambda: other.counters()["other"] >= 2, DEADLINE_S)
            impatient.terminate()
            assert impatient.wait(DEADLINE_S) == -signal.SIGTERM
            assert patient.poll() is None
            fcntl.flock(held, fcntl.LOCK_UN)
            assert patient.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("in_use", [False, True])
def test_unmounting_leaves_no_process(volume: Path, tmp_path: Path, in_use: bool) -> None:
    at = tmp_path / "mount"
    at.mkdir()
    with contextlib.ExitStack() as kept_open:
        with slow_mount.mounted(volume, at):
            assert len(slowfs_processes()) == 1
            assert is_mounted(at)
            if in_use:
                kept_open.enter_context((at / "file").open("rb"))
        assert slowfs_processes() == []
        assert not is_mounted(at)
    assert names(at) == []


def test_a_test_run_that_is_killed_leaves_no_mount(volume: Path, tmp_path: Path) -> None:
    at = tmp_path / "mount"
    at.mkdir()
    script = (
        "import pathlib, sys, time\n"
        "from tests import slow_mount\n"
        "with slow_mount.mounted(*map(pathlib.Path, sys.argv[1:])) as mount:\n"
        "    mount.set('hang', 1)\n"
        "    print('mounted', flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(volume), str(at)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stdout.readline() == b"mounted\n"
        with child("stat", at / "file") as looker:
            wait_for("a hanging lookup", lambda: Mount(at).counters()["lookup"], DEADLINE_S)
            run.kill()
            assert looker.wait(DEADLINE_S) == 1
    wait_for("the end of the mount", lambda: not is_mounted(at), DEADLINE_S)


def test_a_program_is_compiled_when_its_source_changes(tmp_path: Path) -> None:
    slow_mount.require()
    source, binary = tmp_path / "small.c", tmp_path / "cache" / "small"
    source.write_text("int main(void) { return 0; }\n")
    slow_mount.compile_once(source, binary)
    built = binary.stat()
    slow_mount.compile_once(source, binary)
    assert binary.stat().st_ino == built.st_ino
    source.write_text("int main(void) { int unused; return 3; }\n")
    os.utime(source, (built.st_mtime + 1, built.st_mtime + 1))
    with pytest.raises(RuntimeError, match="unused"):
        slow_mount.compile_once(source, binary)
    assert names(binary.parent) == ["small"]
    assert subprocess.run([binary]).returncode == 0
    assert slow_mount.build() == slow_mount.BINARY


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slow_mount.missing() == "a slow volume needs gcc"
