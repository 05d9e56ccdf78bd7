"""Files that end in the middle of what their own headers announce, and ffmpeg does not say so."""

from __future__ import annotations

from speech.types import MediaFile

_PLACEHOLDER_BYTES = 0x7FFF0000
"""Programs that write RIFF into a pipe announce about 2 or 4 GiB, or nothing."""
_RIFF_SLACK_BYTES = 1024
"""Some programs count their header wrongly."""
_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
"""The longest page: header, table of segments, segments (RFC 3533, section 6)."""


def breaks_off(media: MediaFile) -> bool:
    """Whether a RIFF (WAV, AVI) or Ogg file is shorter than its headers say. Others never are."""
    with media.path.open("rb") as file:
        head = file.read(8)
        if head[:4] == b"RIFF" and len(head) == 8:
            return _riff_breaks_off(head, media.size_bytes)
        if head[:4] == b"OggS":
            file.seek(max(0, media.size_bytes - _OGG_PAGE_BYTES))
            return _ogg_breaks_off(file.read())
    return False


def _riff_breaks_off(head: bytes, size_bytes: int) -> bool:
    announced_bytes = int.from_bytes(head[4:], "little") + 8
    return size_bytes + _RIFF_SLACK_BYTES < announced_bytes < _PLACEHOLDER_BYTES


def _ogg_breaks_off(tail: bytes) -> bool:
    """Whether the last page is not whole. ``tail`` holds at least that page."""
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    segments = page[27 : 27 + page[26]]
    return len(page) < 27 + page[26] + sum(segments)
