"""The command that downloads a model: what it prints, and what becomes of one that breaks off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import ROOT
from tests.hub import Hub, nemo_archive, running
from tests.hub_command import COMMAND, DEADLINE_S, MODEL, Downloader, store

MANY_BYTES = 12 << 20
"""More than the 10 MiB that huggingface_hub writes at once."""

ON_A_TINY_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=128k tiny "$0" && exec "$@"',
)
"""Before a folder and a command: the folder is a disk of 128 KiB, for that command alone."""

CHATTER = """
import os, subprocess, sys
from engine.hub_download import private_stdout, write
lines = private_stdout()
print("a library says", flush=True)
os.write(1, b"a C library says")
subprocess.run(["echo", "a program says"], check=True)
write(lines, type="progress")
"""


@pytest.fixture
def downloader(tmp_path: Path) -> Downloader:
    folder = tmp_path / "staging"
    folder.mkdir()
    return Downloader(folder, tmp_path / "hf")


@pytest.fixture
def speech_hub() -> Iterator[Hub]:
    with running(Hub(MODEL, {"README.md": b"read me", "some.nemo": nemo_archive()})) as hub:
        yield hub


@pytest.fixture
def stalling_hub() -> Iterator[Hub]:
    """A hub that stops in the middle of a large file."""
    files = {"some.nemo": nemo_archive(bytes(MANY_BYTES))}
    with running(Hub(MODEL, files, stall_after_bytes=MANY_BYTES - (1 << 20))) as hub:
        yield hub


@pytest.fixture
def stalled(downloader: Downloader, stalling_hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    """A command that hangs at that hub."""
    process = downloader.start(stalling_hub.url)
    alarm = threading.Timer(DEADLINE_S, process.kill)
    alarm.start()
    yield process
    alarm.cancel()
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


# ---------------------------------------------------------------- the token, and other output


def test_the_token_is_sent_and_none_is_invented(downloader: Downloader, speech_hub: Hub) -> None:
    ambient = {"HF_TOKEN": "hf_ambient"}
    assert downloader.run(speech_hub.url, environment=ambient).files
    assert speech_hub.tokens == {None}
    speech_hub.tokens.clear()
    (downloader.folder / "some.nemo").unlink()
    assert downloader.run(speech_hub.url, token="hf_secret", environment=ambient).files
    assert speech_hub.tokens == {"Bearer hf_secret"}


def test_the_token_is_never_printed_or_kept(
    downloader: Downloader, speech_hub: Hub, tmp_path: Path
) -> None:
    store(speech_hub, tmp_path)
    talkative = {"HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "RUST_LOG": "debug"}
    ended = downloader.run(speech_hub.url, token="hf_secret", environment=talkative)
    assert ended.files
    assert "Bearer hf_secret" in speech_hub.tokens
    assert "secret" not in ended.output
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in written)  # the storage's library keeps logs
    assert not [path for path in written if b"hf_secret" in path.read_bytes()]


@pytest.mark.parametrize("token", ["hf_secret\nx", "hf_sécret", "hf secret"])
def test_a_token_that_cannot_be_sent_is_not_quoted(
    downloader: Downloader, speech_hub: Hub, token: str
) -> None:
    ended = downloader.run(speech_hub.url, token=token)
    assert (ended.error["code"], ended.error["retryable"]) == ("model_unavailable", False)
    assert "HF_TOKEN holds characters" in ended.error["message"]
    assert not any(part in ended.output for part in ("secret", "sécret", "hf_s"))
    assert speech_hub.requests == []


@pytest.mark.parametrize(
    "line", [b"", b"hf_secret\n", b"[]\n", b'{"kind": "speech", "token": "hf_secret"}\n']
)
def test_what_is_no_order_is_refused(line: bytes) -> None:
    done = subprocess.run(COMMAND, input=line, capture_output=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"usage" in done.stderr
    assert b"hf_secret" not in done.stderr


def test_stdout_is_for_lines_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHATTER], cwd=ROOT, capture_output=True, timeout=DEADLINE_S
    )
    assert done.stdout == b'{"type": "progress"}\n'
    for who in (b"a library", b"a C library", b"a program"):
        assert who + b" says" in done.stderr


# ---------------------------------------------------------------- the middle of a download


def test_a_download_that_is_killed_leaves_no_whole_looking_file(
    downloader: Downloader, stalled: subprocess.Popen[bytes]
) -> None:
    assert stalled.stdout is not None
    for line in stalled.stdout:
        progress = json.loads(line)
        assert progress["total_bytes"] > MANY_BYTES
        if progress["done_bytes"]:
            break
    else:
        pytest.fail("no line said that anything has come")
    assert progress["done_bytes"] < progress["total_bytes"]
    stalled.kill()
    stalled.wait()
    kept = [path for path in downloader.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".incomplete" for path in kept)
    assert not [path for path in kept if path.suffix == ".nemo"]


def test_a_download_for_nobody_ends(stalled: subprocess.Popen[bytes]) -> None:
    assert stalled.stdout is not None
    assert json.loads(stalled.stdout.readline())["type"] == "progress"
    stalled.stdout.close()
    assert stalled.wait(DEADLINE_S) == 1


@pytest.mark.parametrize("from_storage", [False, True])
def test_a_full_volume_is_said(downloader: Downloader, tmp_path: Path, from_storage: bool) -> None:
    before = (*ON_A_TINY_DISK, str(downloader.folder))
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here, not even in a namespace of one's own")
    with running(Hub(MODEL, {"some.nemo": nemo_archive(os.urandom(300_000))})) as hub:
        if from_storage:
            store(hub, tmp_path)
        error = downloader.run(hub.url, before=before).error
    assert (error["code"], error["retryable"]) == ("volume_full", False)
    assert MODEL in error["message"]
