"""What a fault of the GPU does to the engine, and what others do not."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech import protocol
from speech.request import Options
from tests.environments import ROOT, engine_python

SERVE = """
import socket, sys
from types import SimpleNamespace
from engine import server

class Failing:
    names = {"asr": "a", "diarization": "b"}
    cores = SimpleNamespace(idle_s=lambda: 0.0)

    def take(self, job):
        job.fail(RuntimeError(sys.argv[2]))

channel = server.Channel(socket.socket(fileno=int(sys.argv[1])))
while True:
    server.take(channel, Failing(), channel.next_message())
"""


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        ("CUDA error: an illegal memory access was encountered", True),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
    ],
)
def test_a_poisoned_gpu_ends_the_engine_without_an_answer(
    tmp_path: Path, fault: str, ends: bool
) -> None:
    ours, theirs = socket.socketpair()
    recording = tmp_path / "silence.wav"
    soundfile.write(recording, np.zeros(1600, dtype=np.int16), 16000)
    run = {
        "type": "run",
        "id": "job-1",
        "audio_path": str(recording),
        "options": protocol.options_to_dict(Options()),
        "voices": [],
    }
    with ours, theirs:
        command = [str(engine_python()), "-c", SERVE, str(theirs.fileno()), fault]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            ours.settimeout(120)
            ours.sendall(protocol.encode(run))
            line = ours.makefile("rb").readline()
            if ends:
                assert line == b""
                assert process.wait(60) == 1
            else:
                answer = json.loads(line)
                assert (answer["type"], answer["code"]) == ("error", "engine_failed")
                assert process.poll() is None
        finally:
            process.kill()
            process.wait()
