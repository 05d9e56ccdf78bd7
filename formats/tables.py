"""Tables, one row a segment: TSV as Whisper and WhisperX write it, and CSV."""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Sequence
from typing import Final

from formats import clean
from speech.types import Segment

HEADER: Final = ("start", "end", "speaker", "text")
_FORMULA: Final = ("=", "+", "-", "@")


def tsv(segments: Sequence[Segment]) -> str:
    """Start and end in whole milliseconds, as Whisper has it; the speaker is ours.

    Without speakers their column is empty. There are no tabs or line breaks within a field.
    """
    rows = ["\t".join(HEADER)]
    for one in segments:
        speaker = "" if one.speaker is None else clean.name(one.speaker)
        start, end = round(one.start_s * 1000), round(one.end_s * 1000)
        rows.append(f"{start}\t{end}\t{speaker}\t{clean.text(one.text)}")
    return "\n".join(rows) + "\n"


def csv(segments: Sequence[Segment]) -> str:
    """RFC 4180, with a header; times in seconds.

    A name or text that a spreadsheet would take for a formula, because it begins with ``=``, ``+``,
    ``-`` or ``@``, has an apostrophe before it: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    file = io.StringIO(newline="")
    writer = csv_module.writer(file)  # CRLF, quotes where they are needed, doubled within
    writer.writerow(HEADER)
    writer.writerows(
        (
            f"{one.start_s:.3f}",
            f"{one.end_s:.3f}",
            "" if one.speaker is None else _guarded(clean.name(one.speaker)),
            _guarded(clean.text(one.text)),
        )
        for one in segments
    )
    return file.getvalue()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
