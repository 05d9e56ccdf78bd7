"""What comes out of an archive is what went in, or an error."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import machines
from volume import archive, archive_part, files
from volume.archive import ArchiveError, DamagedArchiveError, Part

LONG_NAME = "/".join(["folder-" + "x" * 60] * 3) + "/" + "y" * 150

ODD: Mapping[str, bytes] = {
    "empty": b"",
    "with spaces and 'quotes'": b"1",
    "ünïcødé/日本語.py": "日本語".encode(),
    "line\nbreak": b"2",
    "not utf-8 \udcff": b"3",
    "-rf": b"4",
    LONG_NAME: b"5",
    "of one block": bytes(512),
    "of a block and a byte": bytes(513),
    "random": os.urandom(100_000),
}


def make_tree(folder: Path, contents: Mapping[str, bytes]) -> list[str]:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return list(contents)


def described(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that an archive keeps of the files and links below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in files.files_below(folder):
        state = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes()
        kept = () if path.is_symlink() else (stat.S_IMODE(state.st_mode), int(state.st_mtime))
        found[str(path.relative_to(folder))] = (content, *kept)
    return found


def unpacked(packed: Path, parts: tuple[Part, ...], target: Path) -> dict[str, tuple[object, ...]]:
    target.mkdir()
    archive.read(packed, parts, target)
    return described(target)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def test_odd_files_come_out_as_they_went_in(tmp_path: Path, tree: Path) -> None:
    names = make_tree(tree, ODD)
    for number, mode in enumerate((0o644, 0o755, 0o600, 0o444, 0o400)):
        (tree / f"mode-{number}").write_text("x")
        (tree / f"mode-{number}").chmod(mode)
        names.append(f"mode-{number}")
    for number, mtime_s in enumerate((0, 1, 315532800, 2**31 + 5, 2**34)):
        (tree / f"time-{number}").touch()
        os.utime(tree / f"time-{number}", (mtime_s, mtime_s))
        names.append(f"time-{number}")
    targets = ("empty", "nowhere at all", "../outside", "/absolute/ünï", "z" * 150)
    for number, target in enumerate(targets):
        (tree / f"link-{number}").symlink_to(target)
        names.append(f"link-{number}")
    parts = archive.write(tree, names, tmp_path / "made.tar.gz")
    archive.finish(tmp_path / "made.tar.gz")
    assert unpacked(tmp_path / "made.tar.gz", parts, tmp_path / "out") == described(tree)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.tar.gz", "out", "tree"]


def test_any_tar_reads_it(tmp_path: Path, tree: Path) -> None:
    names = make_tree(tree, ODD)
    (tree / "link").symlink_to("empty")
    packed, out = tmp_path / "made.tar.gz", tmp_path / "out"
    out.mkdir()
    archive.write(tree, [*names, "link"], packed)
    archive.finish(packed)
    listed = subprocess.run(
        ["tar", "tzf", packed, "--quoting-style=literal", "--null"], capture_output=True, check=True
    )
    assert listed.stderr == b""
    wanted = b"".join(os.fsencode(name) + b"\n" for name in [*names, "link"])
    assert listed.stdout.replace(b"\0", b"\n") == wanted
    subprocess.run(["tar", "xzf", packed, "-C", out], check=True)
    assert described(out) == described(tree)


def test_files_that_are_added_later_are_there_too(tmp_path: Path, tree: Path) -> None:
    packed = tmp_path / "made.tar.gz"
    first = archive.write(tree, make_tree(tree, {"a": b"1", "b/c": b"2"}), packed)
    second = archive.write(tree, make_tree(tree, {"b/d": b"3"}), packed)
    archive.finish(packed)
    assert [part.offset for part in second] == [sum(part.bytes for part in first)]
    assert unpacked(packed, (*first, *second), tmp_path / "out") == described(tree)
    assert list(unpacked(packed, second, tmp_path / "only")) == ["b/d"]


def test_nothing_is_an_archive_too(tmp_path: Path, tree: Path) -> None:
    packed = tmp_path / "made.tar.gz"
    assert archive.write(tree, [], packed) == ()
    archive.finish(packed)
    assert unpacked(packed, (), tmp_path / "out") == {}
    assert subprocess.check_output(["tar", "tzf", packed]) == b""


def test_parts_have_about_one_size(tree: Path) -> None:
    for name, size_bytes in {"a": 30 << 20, "b": 30 << 20, "c": 90 << 20, "d": 1, "e": 1}.items():
        (tree / name).touch()
        os.truncate(tree / name, size_bytes)
    assert list(archive.split(tree, ["a", "b", "c", "d", "e"])) == [["a", "b"], ["c"], ["d", "e"]]


@pytest.mark.parametrize("damage", ["changed", "cut short", "another's", "gone"])
def test_a_damaged_part_is_found(tmp_path: Path, tree: Path, damage: str) -> None:
    packed = tmp_path / "made.tar.gz"
    parts = archive.write(tree, make_tree(tree, ODD), packed)
    content = packed.read_bytes()
    if damage == "changed":
        packed.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif damage == "cut short":
        packed.write_bytes(content[:-1])
    elif damage == "another's":
        packed.write_bytes(archive_part.compress(content))
    else:
        packed.write_bytes(b"")
    with pytest.raises(DamagedArchiveError, match=r"a part of made\.tar\.gz is damaged"):
        unpacked(packed, parts, tmp_path / "out")


def test_one_damaged_part_of_many_is_found(tmp_path: Path, tree: Path) -> None:
    packed = tmp_path / "made.tar.gz"
    parts: tuple[Part, ...] = ()
    for number in range(6):
        parts += archive.write(tree, make_tree(tree, {f"file-{number}": b"x"}), packed)
    with packed.open("r+b") as file:
        file.seek(parts[4].offset + 20)
        file.write(b"damage")
    with pytest.raises(DamagedArchiveError):
        unpacked(packed, parts, tmp_path / "out")


def test_what_cannot_be_packed_is_an_error(tmp_path: Path, tree: Path) -> None:
    (tree / "folder").mkdir()
    with pytest.raises(ArchiveError, match="Is a directory"):
        archive.write(tree, ["folder"], tmp_path / "made.tar.gz")


def test_what_is_in_the_way_is_an_error(tmp_path: Path, tree: Path) -> None:
    parts = archive.write(tree, make_tree(tree, {"file": b"x"}), tmp_path / "made.tar.gz")
    with pytest.raises(ArchiveError, match="File exists"):
        archive.read(tmp_path / "made.tar.gz", parts, tree)
    with pytest.raises(ArchiveError):
        archive.read(tmp_path / "nothing.tar.gz", parts, tmp_path / "out")


@pytest.mark.fault(4)
def test_a_full_disk_is_an_error_and_no_damage(tmp_path: Path, tree: Path) -> None:
    names = make_tree(tree, {f"file-{number}": os.urandom(100_000) for number in range(10)})
    parts = archive.write(tree, names, tmp_path / "made.tar.gz")
    with machines.mounted("tmpfs", tmp_path / "disk", "size=512k") as disk:
        with pytest.raises(OSError, match="No space left"):
            archive.read(tmp_path / "made.tar.gz", parts, disk)
        files.remove_tree(disk)
        with pytest.raises(OSError, match="No space left"):
            archive.write(tree, names, disk / "made.tar.gz")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=50)
PATHS = st.builds(
    lambda folders, name: "/".join([*(f"d{folder}" for folder in folders), f"f{name}"]),
    st.lists(NAMES, max_size=3),
    NAMES,
)
FILES = st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755]), st.integers(0, 2**33))


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(PATHS, FILES, max_size=6), st.dictionaries(PATHS, PATHS, max_size=2))
def test_small_trees_come_out_as_they_went_in(
    wanted: dict[str, tuple[bytes, int, int]], links: dict[str, str]
) -> None:
    # In this process: to start two for each example takes too long.
    with tempfile.TemporaryDirectory() as folder:
        tree, out, packed = Path(folder, "tree"), Path(folder, "out"), Path(folder, "part")
        names = make_tree(tree, {name: content for name, (content, _, _) in wanted.items()})
        for name, (_, mode, mtime_s) in wanted.items():
            (tree / name).chmod(mode)
            os.utime(tree / name, (mtime_s, mtime_s))
        for name in links.keys() - wanted.keys():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(links[name])
            names.append(name)
        told = archive_part.pack_part(tree, packed, names)
        index = json.loads(json.dumps({**told, "offset": 0}))
        out.mkdir()
        archive_part.unpack_part(packed, out, index)
        assert described(out) == described(tree)
        with packed.open("ab") as file:
            file.write(archive_part.compress(bytes(2 * tarfile.BLOCKSIZE)))
        with tarfile.open(packed) as opened:
            assert opened.getnames() == names
