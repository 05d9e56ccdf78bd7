"""Segments as they are heard, out of the words that come with the progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from speech import segments
from speech.types import LabelledWord, Progress, Report, Segment, Word


class LiveSegments:
    """Hands progress on, and makes segments of the words in it.

    A sentence that may still go on is held back until more comes, or the transcription is over.

    Args:
        report: Gets the progress without the words.
        heard: Gets each segment, on the loop.
        loop: The event loop; progress may come from any thread.
    """

    def __init__(
        self,
        report: Report,
        heard: Callable[[Segment], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._report, self._heard, self._loop = report, heard, loop
        self._pending: tuple[LabelledWord, ...] = ()

    def report(self, progress: Progress) -> None:
        """Take progress from any thread."""
        if progress.words or progress.stage in ("diarize", "label"):
            self._loop.call_soon_threadsafe(self._take, progress)
        self._report(replace(progress, words=()))

    def _take(self, progress: Progress) -> None:
        self._pending += tuple(map(_without_speaker, progress.words))
        found = segments.segment_words(self._pending)
        whole = found if not progress.words else found[:-1]
        for segment in whole:
            self._heard(segment)
        kept = len(self._pending) - sum(len(segment.text.split(" ")) for segment in whole)
        self._pending = self._pending[len(self._pending) - kept :] if kept else ()


def _without_speaker(word: Word) -> LabelledWord:
    return LabelledWord(word.text, word.start_s, word.end_s, word.confidence, None, None)
