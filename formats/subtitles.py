"""Subtitles as files: SubRip, WebVTT, Advanced SubStation; and song texts, one line a segment.

pysubs2 writes them. It keeps one text for all formats, in which braces and backslashes are tags and
nothing is escaped: what a word could hold of them is made harmless here, for it and for players.
An invisible word joiner (U+2060) within what would be a tag is how ffmpeg does it, too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Final, TextIO

import pysubs2
from pysubs2.formats.base import FormatBase
from pysubs2.formats.subrip import SubripFormat
from pysubs2.formats.substation import SubstationFormat
from pysubs2.formats.webvtt import WebVTTFormat

from formats import clean
from formats.cue_words import shown_name
from formats.cues import Cue, Piece
from speech.recording import Recording
from speech.request import SubtitleRules
from speech.subtitle_rules import HUNDREDTHS, limits
from speech.types import Segment

_JOINER: Final = "\u2060"
_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_ARROW: Final = "-->"
# Of Okabe and Ito's palette, which colour-blind people tell apart, those that are bright enough to
# read on a dark picture: https://jfly.uni-koeln.de/color/.
_COLOURS: Final = (
    (255, 255, 255),
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
)
_UNLIT: Final = (160, 160, 160)


def srt(cues: Sequence[Cue], rules: SubtitleRules) -> str:
    """SubRip. Of several speakers, the name comes first where the speaker changes: ``Ann: Yes``."""
    allowed = limits(rules)
    events = []
    for cue in cues:
        lines = [_srt_text(_plain(line)) for line in cue.lines]
        if cue.named and cue.speaker is not None:
            lines[0] = f"{_srt_text(shown_name(cue.speaker, allowed))}: {lines[0]}".rstrip()
        events.append(_event(cue, "\n".join(lines)))
    return _written(_Subrip, events, "srt")


def vtt(cues: Sequence[Cue], rules: SubtitleRules) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/), each speaker a voice.

    With ``highlight_words`` each word is an object with a time: ``<00:00:01.000><c>word</c>``.
    """
    events = []
    for cue in cues:
        voice = (
            f"<v {_vtt_text(clean.name(cue.speaker)) or '_'}>" if cue.speaker is not None else ""
        )
        lines = list(_lit(cue)) if rules.highlight_words else map(_vtt_line, cue.lines)
        events.append(_event(cue, voice + "\n".join(line for line in lines if line)))
    return _written(_WebVTT, events, "vtt")


def ass(cues: Sequence[Cue], rules: SubtitleRules, recording: Recording) -> str:
    """Advanced SubStation, a colour for each speaker.

    With ``highlight_words`` each word has a karaoke tag: it is grey until it is spoken.
    """
    styles = {speaker: f"Speaker {number}" for number, speaker in enumerate(_speakers(cues), 1)}
    subs = pysubs2.SSAFile()
    subs.info.update(
        Title=clean.name(recording.title), PlayResX="1920", PlayResY="1080", WrapStyle="2"
    )
    subs.styles = {"Default": _style(_COLOURS[0])}
    for name, colour in zip(styles.values(), islice(cycle(_COLOURS), len(styles)), strict=True):
        subs.styles[name] = _style(colour)
    for cue in cues:
        lines = _sung(cue) if rules.highlight_words else map(_ass_line, cue.lines)
        event = _event(cue, r"\N".join(line for line in lines if line))
        if cue.speaker is not None:
            event.style = styles[cue.speaker]
            # A comma would begin the next field, and nothing escapes it.
            event.name = clean.name(cue.speaker).replace(",", ";")
        subs.events.append(event)
    file = io.StringIO()
    _Substation.to_file(subs, file, "ass", header_notice="")
    return file.getvalue()


def lrc(segments: Sequence[Segment], recording: Recording) -> str:
    """Lines of a song, or of speech: ``[12:34.56]Ann: Yes.`` The name is where the speaker changes.

    The format has no end times; minutes go beyond 59.
    """
    title = clean.name(recording.title).replace("]", ")")
    several = len({one.speaker for one in segments if one.speaker is not None}) > 1
    lines, before = [f"[ti:{title}]"], None
    for segment in segments:
        seconds, hundredths = divmod(max(0, round(segment.start_s * HUNDREDTHS)), HUNDREDTHS)
        text = clean.text(segment.text)
        if not clean.width(text):
            continue
        if several and segment.speaker is not None and segment.speaker != before:
            text = f"{clean.name(segment.speaker)}: {text}"
        if text.startswith("["):  # else it were one more time
            text = _JOINER + text
        lines.append(f"[{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}]{text}")
        before = segment.speaker
    return "\n".join(lines) + "\n"


class _Subrip(SubripFormat):
    @staticmethod
    def ms_to_timestamp(ms: int) -> str:
        return f"{_clock(ms)},{ms % 1000:03d}"


class _WebVTT(WebVTTFormat):
    @staticmethod
    def ms_to_timestamp(ms: int) -> str:
        return f"{_clock(ms)}.{ms % 1000:03d}"


class _Substation(SubstationFormat):
    @staticmethod
    def ms_to_timestamp(requested_ms: int) -> str:
        # The format has one digit of hours; after ten it cannot but have two.
        clock = _clock(requested_ms).removeprefix("0")
        return f"{clock}.{requested_ms % 1000 // 10:02d}"


def _clock(ms: int) -> str:
    """Hours, minutes and seconds. pysubs2's stand still after ten hours in ass, and are slow."""
    seconds = ms // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _written(kind: type[FormatBase], events: list[pysubs2.SSAEvent], name: str) -> str:
    subs = pysubs2.SSAFile()
    subs.events = events
    file: TextIO = io.StringIO()
    # keep_ssa_tags: no braces are taken for tags, and none are taken away.
    kind.to_file(subs, file, name, keep_ssa_tags=True)
    file.seek(0)
    return file.read()


def _event(cue: Cue, text: str) -> pysubs2.SSAEvent:
    return pysubs2.SSAEvent(start=cue.start_cs * 10, end=cue.end_cs * 10, text=text)


def _plain(line: tuple[Piece, ...]) -> str:
    return "".join([text for text, _ in line])


def _srt_text(text: str) -> str:
    """Nothing in SubRip escapes: braces, which players take for tags, become wide ones."""
    if text.isalnum():
        return text
    text = text.replace("\\", "\\" + _JOINER).replace(_ARROW, f"--{_JOINER}>")
    return _TAG.sub("<" + _JOINER, text).replace("{", "\uff5b").replace("}", "\uff5d")


def _vtt_text(text: str) -> str:
    if text.isalnum():
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\\", "\\" + _JOINER)


def _vtt_line(line: tuple[Piece, ...]) -> str:
    return _vtt_text(_plain(line))


def _lit(cue: Cue) -> Iterator[str]:
    """Lines of WebVTT with a time before each word that is not spoken from the begin.

    A time must lie within the subtitle and after the one before it; what has none is lit together
    with the word before it.
    """
    latest = cue.start_cs
    for line in cue.lines:
        parts = []
        for text, start_cs in line:
            if latest < start_cs < cue.end_cs:
                latest = start_cs
                parts.append(f"<{_WebVTT.ms_to_timestamp(start_cs * 10)}>")
            # The space after the word is none of it.
            parts.append(f"<c>{_vtt_text(text)}</c>".replace(" </c>", "</c> "))
        yield "".join(parts)


def _ass_text(text: str) -> str:
    r"""``\{`` is a brace for libass; the empty tag after it ends what others take for a tag."""
    if text.isalnum():
        return text
    return text.replace("\\", "\\" + _JOINER).replace("{", r"\{{}")


def _ass_line(line: tuple[Piece, ...]) -> str:
    return _ass_text(_plain(line))


def _sung(cue: Cue) -> Iterator[str]:
    r"""Lines with karaoke tags: ``{\k25}word`` is lit for 25 hundredths of a second, in turn."""
    starts = [max(cue.start_cs, min(start, cue.end_cs)) for line in cue.lines for _, start in line]
    ends = [*starts[1:], cue.end_cs]
    times = iter(zip([cue.start_cs, *ends], starts, ends, strict=False))
    for line in cue.lines:
        parts = []
        for text, _ in line:
            before, start, end = next(times)
            if start > before:  # silence before the first word
                parts.append(f"{{\\k{start - before}}}")
            parts.append(f"{{\\k{end - start}}}{_ass_text(text)}")
        yield "".join(parts)


def _speakers(cues: Sequence[Cue]) -> list[str]:
    """In the order of their ids, so that a colour does not depend on who speaks first."""
    return sorted({cue.speaker for cue in cues if cue.speaker is not None})


def _style(colour: tuple[int, int, int]) -> pysubs2.SSAStyle:
    return pysubs2.SSAStyle(
        fontsize=54.0,
        primarycolor=pysubs2.Color(*colour),
        secondarycolor=pysubs2.Color(*_UNLIT),
        outline=3.0,
        shadow=0.0,
        marginl=60,
        marginr=60,
        marginv=54,
    )
