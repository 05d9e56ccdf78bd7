"""The table of ``make eval``, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.machine import Machine
from benchmarks.rows import Row, number

RATES: Final[Mapping[str, str]] = {
    "WER": "wer",
    "CER": "cer",
    "cpWER": "cp_wer",
    "tcpWER": "tcp_wer",
    "WDER": "wder",
    "DER": "der",
    "JER": "jer",
    "covered": "coverage",
    "speakers": "speakers_right",
}
TIMES: Final[Mapping[str, tuple[str, str]]] = {
    "starts": ("word_start_mean_s", "word_start_bias_s"),
    "ends": ("word_end_mean_s", "word_end_bias_s"),
}
COLUMNS: Final = ("condition", "minutes", *RATES, *TIMES)
WIDTHS: Final = (18, 8, *(9 for _ in RATES), *(12 for _ in TIMES))

LEGEND: Final = """\
Rates in %, of all words or all speech of a condition together; 0 is perfect, but for `covered`
(speech that has words) and `speakers` (recordings with the right number of speakers), where 100 is.
DER and JER: no collar, overlapped speech included. tcpWER: collar of 5 s. `starts` and `ends`: how
far those of right words are off on average, and the bias, in ms. What each means: the README.
"""


def cells(summary: Mapping[str, Any]) -> Iterator[str]:
    """The columns of a condition."""
    yield str(summary["condition"])
    yield f"{summary['minutes']:.1f}"
    for key in RATES.values():
        yield f"{100 * summary[key]:.2f}"
    for size, bias in TIMES.values():
        yield f"{1000 * summary[size]:.0f} ({1000 * summary[bias]:+.0f})"


def aligned(texts: Sequence[str]) -> str:
    """In columns; the first to the left."""
    first, *others = zip(texts, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{text:>{width}}" for text, width in others)


HEADING: Final = aligned(COLUMNS)


def line(summary: Mapping[str, Any]) -> str:
    """For the terminal."""
    return aligned(list(cells(summary)))


def markdown(summaries: Sequence[Mapping[str, Any]], rows: Sequence[Row], machine: Machine) -> str:
    """The whole page."""
    said = (
        f"`make eval` at {machine.commit}: held-out conversations, the demo models, "
        f"{machine.cores} cores, {machine.memory_gb:g} GB, Python {machine.python}."
    )
    table = [COLUMNS, ("---", *("---:" for _ in COLUMNS[1:])), *map(cells, summaries)]
    asked = [("what", "measured", "to reach"), ("---", "---:", "---")]
    asked += [(row.what, f"{number(row.median)} {row.unit}", row.target) for row in rows]
    return "\n".join(
        ["# Evaluation", "", said, "", *map(_row, table), "", LEGEND, *map(_row, asked), ""]
    )


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
