"""What each file format is for, in a few words: for the README and the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from speech.request import FileFormat

FILE_FORMATS: Final[Mapping[FileFormat, str]] = {
    "srt": "Subtitles that every player knows; speakers as `Name: `.",
    "vtt": "Subtitles for web pages, with `<v Name>` voices.",
    "ass": "Subtitles with a colour for each speaker.",
    "txt": "The text in paragraphs, one for each turn of a speaker.",
    "md": "For people: who speaks for how long, and paragraphs with names and times.",
    "tsv": "A table of segments, times in milliseconds.",
    "csv": "A table of segments for spreadsheets.",
    "rttm": "Who spoke when, for pyannote, dscore and NeMo.",
    "ctm": "Words with times and confidences, for NIST's sclite.",
    "stm": "Segments with speakers, for meeteval and sclite.",
    "seglst": "The same as JSON, for meeteval.",
    "lrc": "Lines with times, as players show song texts.",
    "html": "A page to look at: player, speakers, transcript, search; needs no network.",
}
