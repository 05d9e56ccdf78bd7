"""A result as files of the formats that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from formats import annotations as annotated
from formats import page, subtitles, tables, texts
from formats.cues import Cue, cut
from speech.errors import RequestError
from speech.recording import Recording
from speech.request import FileFormat, SubtitleRules
from speech.segments import segment_words
from speech.types import Result, Segment

CONTENT_TYPES: Final[Mapping[FileFormat, str]] = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "ass": "text/x-ssa; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "rttm": "text/plain; charset=utf-8",
    "ctm": "text/plain; charset=utf-8",
    "stm": "text/plain; charset=utf-8",
    "seglst": "application/json",
    "lrc": "text/plain; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
"""What each format is served as. All are UTF-8, which JSON always is."""
_OF_WORDS: Final = frozenset(("srt", "vtt", "ass", "ctm"))
_OF_TEXT: Final = frozenset(("txt", "md", "html"))
"""What can be made of the text alone. The others need segments, or the words that make them."""


def write(
    result: Result, formats: Sequence[FileFormat], rules: SubtitleRules, recording: Recording
) -> dict[FileFormat, str]:
    """The files, by format, in the order asked for.

    Args:
        result: What was heard, or an earlier result. A recording in which nobody spoke makes files
            without lines.
        formats: Which to write.
        rules: How subtitles are cut; without a contradiction (``speech.subtitle_rules``).
        recording: What the files call it.

    Raises:
        RequestError: An earlier result lacks what a format is made of.
    """
    for name in formats:
        _check(result, name)
    sources = _Sources(result, rules, recording)
    return {name: _WRITERS[name](sources) for name in formats}


class _Sources:
    """What files are made of, each made once, and only if a format needs it."""

    def __init__(
        self,
        result: Result,
        rules: SubtitleRules,
        recording: Recording,
        cues: list[Cue] | None = None,
    ) -> None:
        self.result, self.rules, self.recording = result, rules, recording
        self.segments: Sequence[Segment] = result.segments or segment_words(result.words)
        self._cues = cues

    @property
    def cues(self) -> list[Cue]:
        """The same in every format of subtitles."""
        if self._cues is None:
            self._cues = cut(self.result, self.rules)
        return self._cues


def _check(result: Result, name: FileFormat) -> None:
    said = bool(result.text.strip())
    if name in _OF_WORDS and not result.words and (said or result.segments):
        raise RequestError(
            f"formats: {name} is made of words with their times, and this result has none. "
            'Send one with "timestamps.word".'
        )
    if name not in _OF_TEXT | _OF_WORDS | {"rttm"} and said and not _has_times(result):
        raise RequestError(
            f"formats: {name} is made of segments or words with their times, and this result has "
            'neither. Send one with "timestamps.segment" or "timestamps.word".'
        )


def _has_times(result: Result) -> bool:
    return bool(result.segments or result.words)


def _html(sources: _Sources) -> str:
    """The page, with those files that it can write anew with other names, marks in their place."""
    result = sources.result
    marks = {one.id: page.mark(index) for index, one in enumerate(result.speakers)}

    def marked(speaker: str | None) -> str | None:
        return marks.get(speaker, speaker) if speaker is not None else None

    # The words are only read by what cuts subtitles, which is done.
    cues = [replace(cue, speaker=marked(cue.speaker)) for cue in sources.cues]
    anonymous = replace(
        result,
        words=(),
        segments=tuple(replace(one, speaker=marked(one.speaker)) for one in sources.segments),
        turns=(),
        speakers=tuple(replace(one, id=marks[one.id]) for one in result.speakers),
    )
    templates = _Sources(anonymous, sources.rules, sources.recording, cues)
    wanted = (name for name in page.MARKED if name not in _OF_WORDS or result.words)
    files = {name: _WRITERS[name](templates) for name in wanted}
    return page.write(result, sources.recording, files)


_WRITERS: Final[Mapping[str, Callable[[_Sources], str]]] = {
    "srt": lambda of: subtitles.srt(of.cues, of.rules),
    "vtt": lambda of: subtitles.vtt(of.cues, of.rules),
    "ass": lambda of: subtitles.ass(of.cues, of.rules, of.recording),
    "txt": lambda of: texts.txt(of.result, of.segments),
    "md": lambda of: texts.md(of.result, of.segments, of.recording),
    "tsv": lambda of: tables.tsv(of.segments),
    "csv": lambda of: tables.csv(of.segments),
    "rttm": lambda of: annotated.rttm(of.result, of.segments, of.recording),
    "ctm": lambda of: annotated.ctm(of.result.words, of.recording),
    "stm": lambda of: annotated.stm(of.segments, of.recording),
    "seglst": lambda of: annotated.seglst(of.segments, of.recording),
    "lrc": lambda of: subtitles.lrc(of.segments, of.recording),
    "html": _html,
}
