"""``python handler.py`` without RunPod: a file, an argument, or an HTTP server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests import envelope_schema
from tests.demo_worker import assert_all_ended, command, conversation_base64, variables, work_files
from tests.environments import CONVERSATION
from tests.s3_server import Bucket
from tests.worker_process import request_json, wait_for

RUN_TIMEOUT_S = 900


def environment(directory: Path, bucket: Bucket) -> dict[str, str]:
    """What a shell would have, and the demo models; nothing of RunPod."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**inherited, **variables(directory), **bucket.worker_variables()}


def run_handler(
    directory: Path, bucket: Bucket, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in ``directory``."""
    ran = subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(directory, bucket),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert_all_ended(directory)
    assert work_files(directory) == []
    return ran


def test_input_comes_from_test_input_json(tmp_path: Path, bucket: Bucket) -> None:
    request = {"input": {"audio_base64": conversation_base64(), "end": 6}}
    (tmp_path / "test_input.json").write_text(json.dumps(request))
    ran = run_handler(tmp_path, bucket)
    assert ran.returncode == 0, ran.stderr
    assert "'success': True" in ran.stdout + ran.stderr


def test_input_comes_from_an_argument(tmp_path: Path, bucket: Bucket) -> None:
    bucket.put("local.flac", CONVERSATION.read_bytes())
    request = {"input": {"audio_url": bucket.presign("local.flac"), "end": 6}}
    ran = run_handler(tmp_path, bucket, "--test_input", json.dumps(request))
    assert ran.returncode == 0, ran.stderr
    assert "'success': True" in ran.stdout + ran.stderr


@pytest.mark.parametrize("request_", [{"input": {}}, {"input": {"audio_base64": "AAAA"}}, {}])
def test_a_failed_job_is_the_exit_code(
    tmp_path: Path, bucket: Bucket, request_: dict[str, object]
) -> None:
    ran = run_handler(tmp_path, bucket, "--test_input", json.dumps(request_))
    assert ran.returncode == 1, ran.stderr


def test_the_http_server_answers_runsync(tmp_path: Path, bucket: Bucket) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/runsync"
    bucket.put("served.flac", CONVERSATION.read_bytes())
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command("--rp_serve_api", "--rp_api_host", "127.0.0.1", "--rp_api_port", str(port)),
            cwd=tmp_path,
            env=environment(tmp_path, bucket),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for("the server", lambda: _listens(port) or server.poll(), 120)
        answers = [
            request_json(url, {"input": {"s3_key": "served.flac", "end": end}}) for end in (6, 9)
        ]
        assert [(status, view["status"]) for status, view in answers] == [(200, "COMPLETED")] * 2
        assert all(view["output"]["text"] for _, view in answers)
        for _, view in answers:
            envelope_schema.check(view["output"])
        status, view = request_json(url, {"input": {"s3_key": "no/such/key"}})
        assert (status, view["status"]) == (200, "FAILED")
        assert "s3_key" in view["error"]
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert_all_ended(tmp_path)
    assert work_files(tmp_path) == []


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
