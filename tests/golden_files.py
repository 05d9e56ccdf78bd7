"""One small result as a file of every format, kept to see what changes.

After a wanted change: ``python -m tests.golden_files``, and read the difference before you keep it.
The page (html) has its own tests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from formats import files
from speech.recording import Recording
from speech.request import FileFormat, SubtitleRules
from speech.types import LabelledWord, Result, SpeakerSummary
from tests import talks

FOLDER: Final = Path(__file__).with_name("golden")
FORMATS: Final[tuple[FileFormat, ...]] = tuple(
    name for name in get_args(FileFormat) if name != "html"
)
RULES: Final = SubtitleRules()
LIT: Final = SubtitleRules(highlight_words=True)
RECORDING: Final = Recording(name="board-meeting_3", title="Board meeting: R&D [draft]")

# Start, speaker and text; every letter takes 1/15 s.
TURNS: Final = (
    (0.48, "SPEAKER_00", "Good morning, everyone. Shall we begin with the numbers of last week?"),
    (5.52, "SPEAKER_01", "Yes."),
    (6.08, "SPEAKER_01", "They came in late, and they are <not> what we expected at R&D."),
    (9.44, "Zoë O'Brien", "Mhm."),
    (12.00, "SPEAKER_00", "=5 per cent; see Donaudampfschifffahrtsgesellschaftskapitänsmütze."),
    (18.96, "Zoë O'Brien", "Η Ελλάδα και η Кипър: «ναι», είπε {ο} C:\\New."),
)  # fmt: skip


def result() -> Result:
    """Three people, of whom two talk at once for a moment."""
    words = []
    for start_s, speaker, text in TURNS:
        now_s = start_s
        for number, one in enumerate(text.split()):
            end_s = round(now_s + len(one) / 15, 2)
            sure = round(0.99 - number / 50, 2)
            words.append(LabelledWord(one, now_s, end_s, sure, speaker, 0.9))
            now_s = round(end_s + 1 / 15, 2)
    words.sort(key=lambda word: word.start_s)
    made = talks.result_of(words, "en")
    times = {"SPEAKER_00": 9.4, "SPEAKER_01": 4.3, "Zoë O'Brien": 3725.2}
    speakers = [SpeakerSummary(name, time_s, 2) for name, time_s in times.items()]
    return replace(made, speakers=tuple(speakers))


def written() -> dict[str, str]:
    """Each file by its name."""
    plain = files.write(result(), FORMATS, RULES, RECORDING)
    lit = files.write(result(), ("vtt", "ass"), LIT, RECORDING)
    return {
        **{f"meeting.{name}": text for name, text in plain.items()},
        **{f"meeting.words.{name}": text for name, text in lit.items()},
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file_name, text in written().items():
        (FOLDER / file_name).write_text(text, encoding="utf-8", newline="")
