"""One start, timed: ``python -m benchmarks.handshake``, by the worker's Python.

Prints the seconds from the start of this process to the engine's handshake, which comes when torch
and NeMo are imported. The environment comes from where the variables say, as in the worker.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from pathlib import Path

import config
from speech.protocol import EngineSettings
from utils.engine_process import EngineProcess
from volume.provide import Provided, Provider


def process_age_s() -> float:
    """Seconds since the kernel started this process (proc_pid_stat(5), field 22)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


async def hello(provided: Provided) -> None:
    """Start the engine, and end it when it has said hello."""
    settings = EngineSettings(
        asr_model=str(provided.speech_model),
        asr_name="",
        fast_model=None,
        diarization_model=None,
        diarization_name="",
        diarization_problem=None,
        device="cpu",
        threads=0,
    )
    engine = await EngineProcess.start(provided.python, config.ROOT, settings)
    await engine.hello
    engine.kill()
    await engine.gone


def main() -> None:
    """Provide, start, tell."""
    logging.basicConfig(level=logging.ERROR)
    provided = Provider().provide(lambda _: None)
    provided_s = process_age_s()
    asyncio.run(hello(provided))
    print(json.dumps({"provided_s": provided_s, "hello_s": process_age_s()}))


if __name__ == "__main__":
    main()
