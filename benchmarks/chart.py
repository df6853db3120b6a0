"""Chart: draws the tables as an SVG, one panel per case, with bars on a logarithmic axis in multiples of the floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from benchmarks.report import TITLES, Row

LEFT, WIDTH, RIGHT = 336, 560, 150
LINE, BAR, PANEL = 24, 16, 84
HEAD, FOOT = 78, 46
COLOURS = {"floor": "#8a8f98", "arpent": "#1a7f4b", "peer": "#c8692c"}
INK, QUIET, GRID = "#1d2126", "#636b75", "#e3e6ea"
LEAST = 0.5
"""Beginning of the axis; arpent may be below the floor (1), since it may stop before the end of a block."""
LEGEND = (("arpent", "arpent, end to end"), ("peer", "others"), ("floor", "the floor"))


def chart(rows: Sequence[Row], found: dict[str, Any]) -> str:
    """The complete SVG document."""
    groups = [(case, [row for row in rows if row.case == case]) for case in TITLES]
    groups = [(case, fellows) for case, fellows in groups if fellows]
    height = HEAD + FOOT + sum(PANEL + LINE * len(fellows) for _, fellows in groups)
    width = LEFT + WIDTH + RIGHT
    most = max([10.0, *(row.cpu for row in rows)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13" fill="{INK}">',
        '<defs><pattern id="part" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="{COLOURS["peer"]}"/><rect width="2.4" height="6" fill="white"/>'
        "</pattern></defs>",
        '<rect width="100%" height="100%" fill="white"/>',
        _text(24, 32, "NDVI of every parcel: processor time against the decode floor", size=19, weight=600),
        _text(
            24, 52, "1 = read and decode each needed block once, nothing else; logarithmic; shorter is better",
            colour=QUIET,
        ),
    ]  # fmt: skip
    parts += _legend(width)
    top = HEAD
    for case, fellows in groups:
        parts += _panel(top, TITLES[case].format(**found["cases"][case]), fellows, most)
        top += PANEL + LINE * len(fellows)
    told = (
        f"make bench SIZE={found['size']} on one core of {found['machine']}; ~ and hatched: extrapolated from a part; "
        "the others write no files"
    )
    parts.append(_text(24, height - 18, told, colour=QUIET, size=12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(top: float, title: str, rows: Sequence[Row], most: float) -> Iterator[str]:
    yield _text(24, top + 24, title, size=15, weight=600)
    first, last = top + 48, top + 48 + LINE * len(rows)
    for decade in range(math.ceil(math.log10(most)) + 1):
        for digit in (1, 2, 5):
            if (value := digit * 10**decade) <= most * 1.2:
                x = _place(value, most)
                yield _line(x, first, last, GRID if digit == 1 else "#f1f3f5")
                if digit == 1:
                    yield _text(x, last + 16, f"{value:,}", colour=QUIET, size=12, anchor="middle")
    for number, row in enumerate(rows):
        yield from _bar(first + number * LINE + (LINE - BAR) / 2, row, most)
    floor = _place(1.0, most)
    yield _line(floor, first - 4, last, INK, dashes="4 3")
    yield _text(floor, first - 8, "floor", size=11, colour=QUIET, anchor="middle")


def _bar(top: float, row: Row, most: float) -> Iterator[str]:
    begin, end = _place(LEAST, most), _place(max(row.cpu, LEAST), most)
    fill = "url(#part)" if row.extrapolated else COLOURS[row.kind]
    weight = 600 if row.kind == "arpent" else 400
    seconds, ratio = _short(row.seconds), _short(row.cpu)
    yield _text(LEFT - 10, top + 12.5, row.what, anchor="end", weight=weight)
    yield (
        f'<rect x="{begin:.1f}" y="{top:.1f}" width="{max(1.5, end - begin):.1f}" height="{BAR}" rx="2" fill="{fill}">'
        f"<title>{escape(f'{row.what}: {seconds} s')}</title></rect>"
    )
    yield (
        f'<text x="{end + 6:.1f}" y="{top + 12.5:.1f}" font-weight="{weight}">{"~" * row.extrapolated}{ratio} ×'
        f'<tspan dx="7" fill="{QUIET}" font-weight="400" font-size="12">{seconds} s</tspan></text>'
    )


def _short(number: float) -> str:
    """A number with about three digits."""
    return f"{number:,.{2 if number < 10 else 1 if number < 100 else 0}f}"


def _legend(width: float) -> Iterator[str]:
    x = width - 24 - sum(30 + 7 * len(words) for _, words in LEGEND)
    for kind, words in LEGEND:
        yield f'<rect x="{x:.0f}" y="62" width="12" height="12" rx="2" fill="{COLOURS[kind]}"/>'
        yield _text(x + 17, 72, words, size=12, colour=QUIET)
        x += 30 + 7 * len(words)


def _place(ratio: float, most: float) -> float:
    """The x coordinate of a ratio on the axis."""
    return LEFT + WIDTH * math.log(ratio / LEAST) / math.log(most / LEAST)


def _line(x: float, top: float, bottom: float, colour: str, dashes: str = "none") -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" stroke="{colour}" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _text(x: float, y: float, words: str, *, size: int = 13, colour: str = INK, weight: int = 400,
          anchor: str = "start") -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
