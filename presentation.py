"""The way from a result to an answer: files, the shape, what is left out, and how it is thinned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from formats import files as file_formats
from shapes import answer as peers
from speech import earlier, envelope, regrouping, selection
from speech.recording import Recording
from speech.request import EarlierResult, FileFormat, Presentation, Request, TimestampLevel
from speech.types import Result

Answer = dict[str, object]

FIRST_LINES: Final = 500
"""Characters of the text in an answer whose result lies elsewhere."""
THINNING: Final[tuple[TimestampLevel, ...]] = ("char", "word", "segment")
"""What a result that is too large loses first. After these go the files, the largest first; the
text stays."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A result and its files."""

    result: Result
    files: Mapping[FileFormat, str]
    left_out: tuple[str, ...] = ()
    """What was thinned: levels, and files."""


def reuse(request: Request) -> Result:
    """The result of an earlier job, as this request wants it.

    Raises:
        RequestError: What came is no such result, or cannot give what is asked for.
    """
    assert isinstance(request.source, EarlierResult)
    result = earlier.read(request.source)
    wanted = request.options
    if wanted.num_speakers is not None and wanted.num_speakers > len(result.speakers):
        raise regrouping.too_few(len(result.speakers), wanted.num_speakers)
    most = wanted.num_speakers or wanted.max_speakers
    if most is not None:
        result = regrouping.join(result, most)
    levels = tuple(level for level in wanted.timestamps if level in result.timestamps)
    return replace(result, timestamps=levels)


def show(result: Result, presentation: Presentation, recording: Recording) -> Shown:
    """Name the speakers and write the files.

    Raises:
        RequestError: A format cannot be had of this result: an earlier one may have no words.
    """
    result = regrouping.rename(result, presentation.speaker_names)
    if not presentation.formats:
        return Shown(result, {})
    written = file_formats.write(result, presentation.formats, presentation.subtitles, recording)
    return Shown(result, written)


def answer(shown: Shown, presentation: Presentation, job_id: str) -> Answer:
    """The answer in the shape that is asked for."""
    result, shape = shown.result, presentation.response_format
    if shape == "default":
        told = envelope.success(result)
        if shown.left_out:
            told["thinned"] = list(shown.left_out)
    else:
        told = peers.shape(result, shape, job_id)
    if shown.files:
        told["formats"] = dict(shown.files)
    if presentation.include or presentation.exclude:
        return selection.select(told, presentation.include, presentation.exclude)
    return told


def thinner(shown: Shown) -> Iterator[Shown]:
    """The same with less and less in it; the last has its text alone."""
    for level in THINNING:
        if level in shown.result.timestamps:
            kept = tuple(one for one in shown.result.timestamps if one != level)
            shown = _without(replace(shown, result=replace(shown.result, timestamps=kept)), level)
            yield shown
    for name in sorted(shown.files, key=lambda name: len(shown.files[name]), reverse=True):
        fewer = {other: text for other, text in shown.files.items() if other != name}
        shown = _without(replace(shown, files=fewer), name)
        yield shown


def _without(shown: Shown, what: str) -> Shown:
    left_out = (*shown.left_out, what)
    before = shown.result.warnings[: -1 if shown.left_out else None]
    warning = (
        f"The result was too large to be returned whole; left out: {', '.join(left_out)}. Send "
        '"output", or set a bucket for the worker (S3_BUCKET), to have all of it.'
    )
    return Shown(replace(shown.result, warnings=(*before, warning)), shown.files, left_out)


def receipt(shown: Shown, stored: Mapping[str, object], warnings: Sequence[str] = ()) -> Answer:
    """The answer whose result lies elsewhere: where, how the text begins, and counts."""
    result = shown.result
    whole = envelope.success(replace(result, timestamps=(), speakers=(), turns=()))
    for key in ("timestamps", "speakers", "turns", "coverage"):
        del whole[key]
    whole["text"] = _first_lines(result.text)
    whole["output"] = dict(stored)
    whole["counts"] = {
        "characters": len(result.text),
        "words": len(result.words),
        "segments": len(result.segments),
        "speakers": len(result.speakers),
    }
    whole["warnings"] = [*result.warnings, *warnings]
    return whole


def _first_lines(text: str) -> str:
    if len(text) <= FIRST_LINES:
        return text
    return text[:FIRST_LINES].rpartition(" ")[0] or text[:FIRST_LINES]
