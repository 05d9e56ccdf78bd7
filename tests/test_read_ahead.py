"""What is read ahead is what was asked for; what cannot be read is no error."""

from __future__ import annotations

import os
from pathlib import Path

from volume import read_ahead
from volume.read_ahead import PIECE_BYTES


def test_ranges_of_files_are_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(bytes(100_000))
    ranges = {"one": [[0, 4096], [50_000, 60_000]], "two": [[0, 100_000]], "three": []}
    assert read_ahead.read_ranges(tmp_path, ranges) == 4096 + 10_000 + 100_000
    assert read_ahead.read_ranges(tmp_path, {}) == 0


def test_whole_files_are_read_in_pieces(tmp_path: Path) -> None:
    sizes = (0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 5)
    for number, size_bytes in enumerate(sizes):
        (tmp_path / str(number)).touch()
        os.truncate(tmp_path / str(number), size_bytes)
    paths = [tmp_path / str(number) for number in range(len(sizes))]
    assert read_ahead.read_files(paths) == sum(sizes)
    ranges = {"3": [[PIECE_BYTES - 1, 2 * PIECE_BYTES + 1]]}
    assert read_ahead.read_ranges(tmp_path, ranges) == PIECE_BYTES + 2


def test_files_are_closed_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert read_ahead.read_files([tmp_path / "file"] * 100) == 100
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    names = ("nothing", "folder", "link", "file", "file/below")
    assert read_ahead.read_files([tmp_path / name for name in names]) == 5
    assert read_ahead.read_ranges(tmp_path, {name: [[0, 10]] for name in names}) == 5
    assert read_ahead.read_ranges(tmp_path, {"file": [[4, 1000], [1000, 2000]]}) == 1
    assert read_ahead.read_files([]) == 0
