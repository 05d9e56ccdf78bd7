"""Installs in a harmful surrounding: an image's variables, and an index that fails."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.small_environment import Machine, leavings, make_lock, make_wheel
from tests.volume_faults import (
    as_worker,
    error_of,
    manifests,
    new_machine,
    published,
    with_more,
)

pytestmark = pytest.mark.volume

WHEEL = "tinytwo-1.0-py3-none-any.whl"


def packed_files(machine: Machine) -> set[str]:
    """The names of all files of the environment, but for those that say where it was made."""
    index = json.loads(gzip.decompress((published(machine) / "index.json").read_bytes()))
    names = {entry[0] for part in index["parts"] for entry in part["entries"]}
    return names | {entry["path"] for entry in manifests(machine)[0]["large"]}


def harmful(folder: Path) -> dict[str, str]:
    """Variables of an image, each of which changes what Python, uv or pip do."""
    folder.mkdir()
    for module in ("tinyone", "tinytwo", "sitecustomize", "usercustomize", "pip", "uv"):
        (folder / f"{module}.py").write_text("raise SystemExit('the wrong one')\n")
    gone = str(folder / "gone")
    return {
        "PYTHONPATH": str(folder),
        "PYTHONHOME": sys.base_prefix,
        "PYTHONSTARTUP": gone,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "elsewhere"),
        "PYTHONOPTIMIZE": "2",
        "PYTHONUSERBASE": str(folder),
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": gone,
        "CONDA_PREFIX": gone,
        "UV_PYTHON": gone,
        "UV_SYSTEM_PYTHON": "1",
        "UV_PROJECT_ENVIRONMENT": gone,
        "UV_NO_BINARY": "1",
        "UV_CONSTRAINT": gone,
        "UV_OVERRIDE": gone,
        "UV_EXCLUDE_NEWER": "1999-01-01T00:00:00Z",
        "UV_LINK_MODE": "symlink",
        "UV_NO_CACHE": "1",
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON_PREFERENCE": "only-managed",
        "UV_INSTALL_DIR": gone,
        "PIP_TARGET": gone,
        "PIP_PREFIX": gone,
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": gone,
        "PIP_REQUIRE_VIRTUALENV": "1",
        "HF_HOME": gone,
    }


class Index(SimpleHTTPRequestHandler):
    """A package index of the wheels in a folder, one of which breaks off."""

    breaks_left: ClassVar[int]

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if not self.path.endswith(WHEEL) or not type(self).breaks_left:
            super().copyfile(source, outputfile)
            return
        type(self).breaks_left -= 1
        outputfile.write(source.read(100))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serving(folder: Path, breaks_left: int) -> Iterator[tuple[str, type[Index]]]:
    """Serve an index on a free port: its address, and its handler, which tests may change."""
    handler = type("OneIndex", (Index,), {"breaks_left": breaks_left})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def index(tmp_path: Path) -> tuple[Path, Path]:
    """(a folder for an index, a lock of packages of an index)."""
    names, lines = make_lock(tmp_path / "wheels").read_text().splitlines(), []
    for line in names:
        name, digest = line.partition(" @")[0], line.rpartition("sha256:")[2]
        wheel = f"{name}-1.0-py3-none-any.whl"
        (tmp_path / "index" / name).mkdir(parents=True)
        (tmp_path / "wheels" / wheel).rename(tmp_path / "index" / name / wheel)
        lines.append(f"{name}==1.0 --hash=sha256:{digest}\n")
    (tmp_path / "lock.txt").write_text("".join(lines))
    return tmp_path / "index", tmp_path / "lock.txt"


def online(folder: Path, lock: Path, url: str) -> Machine:
    """A machine with an index; uv itself tries everything once."""
    return new_machine(folder, lock, UV_OFFLINE="0", UV_HTTP_RETRIES="0", UV_DEFAULT_INDEX=url)


@pytest.mark.fault(19)
def test_an_images_variables_change_nothing(tmp_path: Path, index: tuple[Path, Path]) -> None:
    folder, lock = index
    with serving(folder, breaks_left=0) as (url, _):
        clean = online(tmp_path / "clean", lock, url)
        clean.bootstrap()
        other = with_more(online(tmp_path / "other", lock, url), **harmful(tmp_path / "harmful"))
        made = other.bootstrap()
    assert other.works()
    assert made["name"] == published(clean).name
    assert packed_files(other) == packed_files(clean)
    site = "lib/python{}.{}/site-packages".format(*sys.version_info)
    tag = sys.implementation.cache_tag
    assert f"{site}/__pycache__/tinytwo.{tag}.pyc" in packed_files(other)
    assert not (tmp_path / "harmful" / "elsewhere").exists()
    assert not (tmp_path / "harmful" / "gone").exists()


def fails_in_uvs_words(machine: Machine, *words: str) -> None:
    """An install that fails, publishes nothing, and is not tried again at once."""
    code, message = error_of(machine.run("--json"))
    assert code == "bootstrap_failed"
    assert "uv pip sync failed" in message
    assert all(word in message for word in words), message
    assert manifests(machine) == []
    assert leavings(machine) == []
    assert as_worker(machine) == {"error_code": code, "error": message}


@pytest.mark.fault(20)
def test_an_index_that_is_down_is_said_in_uvs_words(
    tmp_path: Path, index: tuple[Path, Path]
) -> None:
    with serving(index[0], breaks_left=0) as (url, _):
        pass
    machine = online(tmp_path / "machine", index[1], url)
    fails_in_uvs_words(machine, "Connection refused")


@pytest.mark.fault(20)
def test_an_index_that_breaks_off_is_tried_again_and_then_given_up(
    tmp_path: Path, index: tuple[Path, Path]
) -> None:
    with serving(index[0], breaks_left=1000) as (url, handler):
        machine = online(tmp_path / "machine", index[1], url)
        fails_in_uvs_words(machine, "Failed to download `tinytwo==1.0`", "end of file")
        handler.breaks_left = 2
        machine.bootstrap()
        assert handler.breaks_left == 0
        assert machine.works()


@pytest.mark.fault(20)
def test_a_package_with_another_hash_is_refused(tmp_path: Path, index: tuple[Path, Path]) -> None:
    folder, lock = index
    right = (folder / "tinytwo" / WHEEL).read_bytes()
    make_wheel(folder / "tinytwo", "tinytwo", "1.0", "raise SystemExit('not what was locked')\n")
    with serving(folder, breaks_left=0) as (url, _):
        machine = online(tmp_path / "machine", lock, url)
        fails_in_uvs_words(machine, "Hash mismatch", "tinytwo==1.0")
        (folder / "tinytwo" / WHEEL).write_bytes(right)
        machine.bootstrap()
        assert machine.works()
