"""The messages between the worker and its engine: one JSON object a line, on a private descriptor.

worker -> engine
    start   {settings}                        once, first
    run     {id, audio_path, options, voices}
    cancel  {id}
    stop    {}
engine -> worker
    broken    {reason}                        the environment does not import; the last message
    hello     {python, torch, cuda, gpu, versions}   the environment imports
    ready     {models}                        the models are loaded
    progress  {id, stage, fraction, detail, remaining_s, words}
    result    {id, hearing}
    cancelled {id}
    error     {id or null, code, message, retryable}  null: the engine itself cannot serve
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech.request import Options
from speech.types import (
    Char,
    Diarization,
    Hearing,
    Plan,
    Progress,
    SpeakerTurn,
    Transcript,
    Voice,
    Word,
)

MAX_LINE_BYTES = 256 << 20
"""A day of speech with word and token times is about 60 MB of JSON."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be had, in the words of an error."""

    code: str
    """A key of ``speech.errors.CODES``."""
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine is told at its start. It reads no environment of its own."""

    asr_model: str
    """The path of a .nemo file."""
    asr_name: str
    """What the envelope calls it."""
    fast_model: str | None
    """The folder of the fast checkpoint; None where there is none."""
    diarization_model: str | None
    """The path of a pyannote pipeline's directory."""
    diarization_name: str
    """What the envelope calls it."""
    diarization_problem: Problem | None
    """Why there is no pyannote. Sortformer takes its place where it is there; else jobs that ask
    for speakers are answered with it."""
    device: str
    """"auto", "cuda" or "cpu"."""
    threads: int
    """CPU threads for torch; 0 takes as many as the container may use."""
    cpu_fallback: bool = False
    """Whether the speech model may be loaded on the CPU too, where the GPU has no memory left."""
    sortformer_model: str | None = None
    """The path of a .nemo file: the diarizer that needs no token."""
    sortformer_name: str = ""
    """What the envelope calls it."""
    sortformer_problem: Problem | None = None
    """Why there is no Sortformer."""


def encode(message: Message) -> bytes:
    """One line. NaN and infinity are refused: they are not JSON."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line.

    Raises:
        ValueError: The line is not a JSON object with a type.
    """
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("a message is a JSON object with a type")
    return message


def settings_to_dict(settings: EngineSettings) -> Message:
    """For the ``start`` message."""
    return asdict(settings)


def settings_from_dict(data: Mapping[str, Any]) -> EngineSettings:
    """From the ``start`` message."""
    names = ("diarization_problem", "sortformer_problem")
    problems = {name: data.get(name) for name in names}
    read = {name: None if told is None else Problem(**told) for name, told in problems.items()}
    return EngineSettings(**{**data, **read})


def options_to_dict(options: Options) -> Message:
    """For the ``run`` message."""
    return asdict(options)


def options_from_dict(data: Mapping[str, Any]) -> Options:
    """From the ``run`` message."""
    lists = ("timestamps", "hotwords")
    return Options(**{**data, **{name: tuple(data[name]) for name in lists}})


def voice_to_dict(voice: Voice) -> Message:
    """For the ``run`` message."""
    return {
        "name": voice.name,
        "recordings": [str(path) for path in voice.recordings],
        "voiceprint": None if voice.voiceprint is None else list(voice.voiceprint),
    }


def voice_from_dict(data: Mapping[str, Any]) -> Voice:
    """From the ``run`` message."""
    numbers = data["voiceprint"]
    return Voice(
        name=data["name"],
        recordings=tuple(map(Path, data["recordings"])),
        voiceprint=None if numbers is None else tuple(numbers),
    )


def word_rows(words: Sequence[Word]) -> list[list[object]]:
    """Words as rows: a long recording has 30,000."""
    return [[w.text, w.start_s, w.end_s, w.confidence, w.repaired] for w in words]


def progress_from_dict(data: Mapping[str, Any]) -> Progress:
    """From the ``progress`` message."""
    return Progress(
        data["stage"],
        data["fraction"],
        data["detail"],
        remaining_s=data["remaining_s"],
        words=tuple(Word(*row) for row in data["words"]),
    )


def hearing_to_dict(hearing: Hearing) -> Message:
    """For the ``result`` message. Words, chars and turns are rows: a long file has 30,000 words."""
    transcript, diarization = hearing.transcript, hearing.diarization
    return {
        "text": transcript.text,
        "words": word_rows(transcript.words),
        "chars": [[c.text, c.start_s, c.end_s] for c in transcript.chars],
        "attention": transcript.attention,
        "plan": asdict(transcript.plan) if transcript.plan else None,
        "turns": _turn_rows(diarization.turns) if diarization else None,
        "exclusive_turns": _turn_rows(diarization.exclusive_turns) if diarization else None,
        "names": dict(diarization.names) if diarization else {},
        "voiceprints": dict(diarization.voiceprints) if diarization else {},
        "models": dict(hearing.models),
        "warnings": list(hearing.warnings),
        "timings_s": dict(hearing.timings_s),
    }


def hearing_from_dict(data: Mapping[str, Any]) -> Hearing:
    """From the ``result`` message."""
    diarization = None
    if data["turns"] is not None:
        diarization = Diarization(
            turns=tuple(SpeakerTurn(*row) for row in data["turns"]),
            exclusive_turns=tuple(SpeakerTurn(*row) for row in data["exclusive_turns"]),
            names=data["names"],
            voiceprints={name: tuple(numbers) for name, numbers in data["voiceprints"].items()},
        )
    return Hearing(
        transcript=Transcript(
            text=data["text"],
            words=tuple(Word(*row) for row in data["words"]),
            chars=tuple(Char(*row) for row in data["chars"]),
            attention=data["attention"],
            plan=Plan(**data["plan"]) if data["plan"] else None,
        ),
        diarization=diarization,
        models=data["models"],
        warnings=tuple(data["warnings"]),
        timings_s=data["timings_s"],
    )


def _turn_rows(turns: tuple[SpeakerTurn, ...]) -> list[list[str | float]]:
    return [[turn.speaker, turn.start_s, turn.end_s] for turn in turns]
