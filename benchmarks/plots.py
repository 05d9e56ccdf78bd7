"""Two kinds of plot, as SVG written by hand: a picture of a few lines needs no library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.rows import Row

COLOURS: Final = ("#1b6ca8", "#d1603d", "#3a7d44", "#7b4b94")
FONT: Final = 'font-family="sans-serif" font-size="12" fill="#222"'
HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
    ' height="{height}"><rect width="100%" height="100%" fill="white"/>'
)


@dataclass(frozen=True, slots=True)
class Line:
    """Points that belong together."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    x_title: str
    lines: tuple[Line, ...]


PANEL_WIDTH: Final = 440
PANEL_HEIGHT: Final = 340
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 48


def log_log(panels: Sequence[Panel]) -> str:
    """Panels side by side, both axes logarithmic, with a dashed line of slope 1 in each."""
    parts = [HEAD.format(width=PANEL_WIDTH * len(panels), height=PANEL_HEIGHT)]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * PANEL_WIDTH} 0)">')
        parts += _panel(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM
        return LEFT + across * width, PANEL_HEIGHT - BOTTOM - up * height

    yield _text(PANEL_WIDTH / 2, 20, panel.title, "middle")
    yield _text(PANEL_WIDTH / 2, PANEL_HEIGHT - 10, panel.x_title, "middle")
    for exponent in range(x_low, x_high + 1):
        x, y = place(10.0**exponent, 10.0**y_low)
        yield _line((x, TOP), (x, y), "#ddd")
        yield _text(x, y + 16, f"{10.0**exponent:g}", "middle")
    for exponent in range(y_low, y_high + 1):
        x, y = place(10.0**x_low, 10.0**exponent)
        yield _line((x, y), (PANEL_WIDTH - RIGHT, y), "#ddd")
        yield _text(x - 6, y + 4, f"{10.0**exponent:g}", "end")
    for number, line in enumerate(panel.lines):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(*point) for point in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed)
        height = PANEL_HEIGHT - BOTTOM - 10 - 16 * (len(panel.lines) - 1 - number)
        yield _text(PANEL_WIDTH - RIGHT - 8, height, line.name, "end", colour)
    yield from _slope_1(panel, (x_high, y_high), place)


def _slope_1(panel: Panel, highest: tuple[int, int], place: object) -> Iterator[str]:
    """Through the first point of the first line, up to the edge."""
    assert callable(place)
    x, y = panel.lines[0].points[0]
    factor = min(10.0 ** highest[0] / x, 10.0 ** highest[1] / y)
    yield _line(place(x, y), place(x * factor, y * factor), "#999", dashed=True)


BAR_HEIGHT: Final = 26
NAME_WIDTH: Final = 430
BARS_WIDTH: Final = 330


def bars(rows: Sequence[Row], title: str) -> str:
    """How many times better each row is than its baseline, which stands at 1; logarithmic."""
    shown = [(row, row.times_better) for row in rows]
    kept = [(row, times) for row, times in shown if times]
    highest = max([2.0, *(times for _, times in kept), *(row.wanted_times or 0 for row in rows)])
    lowest = min([0.9, *(times for _, times in kept)])
    height = BAR_HEIGHT * (len(kept) + 2) + 10

    def place(times: float) -> float:
        share = math.log(times / lowest) / math.log(highest / lowest)
        return NAME_WIDTH + share * BARS_WIDTH

    parts = [HEAD.format(width=NAME_WIDTH + BARS_WIDTH + 70, height=height)]
    parts.append(_text(12, 20, f"{title}: times better than the baseline (1); line: wanted"))
    for number, (row, times) in enumerate(kept):
        top = BAR_HEIGHT * (number + 1.3)
        left, right = sorted((place(1.0), place(times)))
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{BAR_HEIGHT - 8}" fill="{COLOURS[0]}"/>'
        )
        parts.append(_text(NAME_WIDTH - 12, top + 13, row.what.strip(), "end"))
        parts.append(_text(right + 6, top + 13, f"{times:.1f}"))
        if row.wanted_times:
            x = place(row.wanted_times)
            parts.append(_line((x, top - 3), (x, top + BAR_HEIGHT - 5), COLOURS[1]))
    return "\n".join([*parts, "</svg>\n"])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222") -> str:
    font = FONT.replace("#222", colour)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {font}>{escape(text)}</text>'


def _line(
    begin: tuple[float, float], end: tuple[float, float], colour: str, *, dashed: bool = False
) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        f' stroke="{colour}" stroke-width="1.5"{dashes}/>'
    )
