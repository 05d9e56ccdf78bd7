"""``make demo``: one recording on this machine, as the command line hears it, and a page of it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONVERSATION = ROOT / "demo" / "conversation.flac"
DEMO_MODELS = ROOT / "demo" / "models"
OUT = ROOT / "demo" / "out"
INTERRUPTED = 130


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--audio", type=Path, default=CONVERSATION)
    parser.add_argument("--model", default="demo", help='"demo", a hub name, or a .nemo file')
    parser.add_argument("--engine-python", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.audio.is_file():
        sys.exit(f"make demo: no file {str(arguments.audio)!r} (AUDIO=path/to/recording)")
    OUT.mkdir(parents=True, exist_ok=True)
    set_environment(arguments.model, arguments.engine_python)
    begin = time.monotonic()
    answer = hear(arguments.audio)
    show(answer, time.monotonic() - begin)


def set_environment(model: str, engine_python: Path) -> None:
    """The settings of a worker on a laptop. They are read when ``config`` is imported."""
    volume = ROOT / ".cache" / "volume"  # it stays, and so does what is made of the models
    volume.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "PARAKEET_ENGINE_PYTHON": str(engine_python),
        "PARAKEET_LOCAL_HOME": str(ROOT / ".cache" / "parakeet"),
        "PARAKEET_VOLUME": str(volume),
    }
    if model == "demo":
        os.environ |= {
            "PARAKEET_ASR_MODEL": str(DEMO_MODELS / "speech.nemo"),
            "PARAKEET_DIARIZATION_MODEL": str(DEMO_MODELS / "speakers"),
        }
    elif model != os.environ.get("PARAKEET_ASR_MODEL"):
        os.environ["PARAKEET_ASR_MODEL"] = model


def hear(audio: Path) -> dict[str, Any]:
    """The answer, with its files. What goes wrong ends the process, with a line that says what."""
    from client.console import Console, stderr_for_people
    from client.items import Item
    from client.local import ThisMachine
    from speech.errors import WorkerError

    log = OUT / "worker.log"

    async def transcribe(console: Console) -> dict[str, Any]:
        async with ThisMachine({"formats": ["html", "srt"]}) as machine:
            with console.progress(audio.name) as report:
                return await machine.transcribe(Item(audio.name, "result", path=audio), report)

    try:
        with stderr_for_people(log) as stream:
            return asyncio.run(transcribe(Console(stream)))
    except WorkerError as error:
        sys.exit(f"make demo: {error.code}: {error.message} (log: {log.relative_to(ROOT)})")
    except KeyboardInterrupt:
        print("make demo: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def show(answer: dict[str, Any], seconds: float, out: Path = OUT) -> None:
    """Print the conversation, write the files, and say where they are."""
    from client import conversation
    from client.files import Folder, texts_of

    print(*conversation.lines(answer), sep="\n")
    print(f"\n{conversation.summary(answer, seconds)}")
    texts = texts_of(answer, ("json", "srt", "html"))
    paths = [os.path.relpath(path) for path in Folder(out, force=True).write("result", texts)]
    print(
        f"The whole answer: {paths[0]}\nSubtitles: {paths[1]}\n"
        f"A page to look at, with the sound: {paths[2]}"
    )


if __name__ == "__main__":
    main()
