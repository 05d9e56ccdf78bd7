"""Results as files, for tests that read them with other programs."""

from __future__ import annotations

import re

import pytest

from formats import files
from speech.recording import Recording
from speech.request import FileFormat, SubtitleRules
from speech.types import Result
from tests import golden_files, talks

RECORDING = Recording(name="meeting-1.wav", title="</v><b> {\\an8} [Events]\nDialogue: 0")
RESULTS = {
    "meeting": golden_files.result(),
    **{f"talk {seed}": talks.talk(seed) for seed in (3, 13, 23, 30)},
    **{f"hostile {seed}": talks.hostile(seed) for seed in range(8)},
}
"""Of the last talk nobody knows who speaks."""

results = pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)


def written(result: Result, name: FileFormat, rules: SubtitleRules | None = None) -> str:
    return files.write(result, (name,), rules or SubtitleRules(), RECORDING)[name]


def visible(text: str) -> str:
    r"""Without what nobody sees; ffmpeg keeps and writes ``\{{}`` for a brace."""
    text = text.replace("\\{{}", "{").replace("\uff5b", "{").replace("\uff5d", "}")
    return re.sub("[\u2060\u200b\u202e]", "", text).strip()
