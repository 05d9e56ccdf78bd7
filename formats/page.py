"""A page to look at: one HTML file that needs nothing else, and in which no text can become code.

What was said, names and file names go into a block of JSON that the browser never runs, and the
script makes text nodes of them. The page's own policy allows no script, style or connection but
these: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from formats.page_data import pack
from speech.recording import Recording
from speech.types import Result

MARKED: Final = ("srt", "vtt", "txt", "md", "csv")
"""The files that a page can write anew with other names."""
PARTS: Final = Path(__file__).with_suffix("")
SCRIPTS: Final = ("data", "transcript", "player", "search", "files", "page")
PLAYABLE: Final = re.compile(
    r"https?://|data:(?:audio/|video/|application/octet-stream[;,])", re.IGNORECASE
)
# In JSON these stand within strings only. Escaped, none can end the block or begin a tag; the last
# two end a line for JavaScript.
ESCAPES: Final = {
    "&": "\\u0026",
    "<": "\\u003c",
    ">": "\\u003e",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
HALVES: Final = re.compile("[\ud800-\udfff]")
"""Halves of characters, which UTF-8 cannot hold."""


def mark(index: int) -> str:
    """What stands for a speaker's name in a file that the page renames: of ``result.speakers``."""
    return f"\ue000{index}\ue001"


def write(result: Result, recording: Recording, templates: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        result: What was heard.
        recording: Its title, and where the sound is: anything but an HTTP(S) URL or a data URI of
            sound is left out, and the page asks for the file.
        templates: Files that the page offers, by extension, with ``mark(index)`` for each speaker.
    """
    parts = read_parts()
    source = recording.audio_src
    audio = source if source and PLAYABLE.match(source) else ""
    data = as_json(
        {
            **pack(result),
            "title": recording.title,
            "name": recording.name,
            "audio": audio,
            "files": {name: templates[name] for name in MARKED if name in templates},
        }
    )
    values = {
        "policy": policy(parts["style"], parts["script"], audio.partition(":")[0].lower()),
        "title": html.escape(HALVES.sub("\ufffd", recording.title)),
        "style": parts["style"],
        "script": parts["script"],
        "key": hashlib.sha256(data.encode()).hexdigest()[:16],
        "data": data,
    }
    # In one go: what a text holds is never looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], parts["page"])


@functools.cache
def read_parts() -> Mapping[str, str]:
    """The page's own files, which never change."""
    scripts = "\n".join((PARTS / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    return {
        "page": (PARTS / "page.html").read_text("utf-8"),
        "style": (PARTS / "page.css").read_text("utf-8"),
        "script": f'(() => {{\n"use strict";\n{scripts}}})();\n',
    }


def as_json(value: object) -> str:
    """JSON that may stand in an HTML page, whatever its texts hold."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in ESCAPES.items():
        text = text.replace(character, escaped)
    return HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def policy(style: str, script: str, scheme: str) -> str:
    """What the page may do: run this script, look like this, play sound."""
    # A plain address may lead on to a secure one.
    media = {"http": "http: https:", "https": "https:", "data": "data:"}.get(scheme, "")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{digest(script)}'",
            f"style-src '{digest(style)}'",
            f"media-src blob: {media}".rstrip(),
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def digest(text: str) -> str:
    """A source of such a policy that allows exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
