"""The table as an SVG: bars on a logarithmic axis, in multiples of the decode floor."""

from __future__ import annotations

import math
from html import escape

LEFT, WIDTH, LINE, TOP = 300, 520, 22, 70


def chart(rows: list[tuple[str, str, float, float, str]], title: str) -> str:
    """`rows`: (case, what, processor ratio, wall ratio, note)."""
    height = TOP + LINE * (len(rows) + 2)
    top = max([10.0, *(ratio for _, _, ratio, _, _ in rows)])
    decades = math.ceil(math.log10(top))
    scale = WIDTH / (decades + 0.3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="24" font-size="16">{escape(title)}</text>',
        '<text x="10" y="44" fill="#555">processor time, in multiples of reading and decoding each needed block once'
        "</text>",
    ]
    start = LEFT + 0.3 * scale
    for decade in range(decades + 1):
        x = start + decade * scale
        parts.append(f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 12}" y2="{height - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.0f}" y="{height - 6}" text-anchor="middle" fill="#555">{10**decade}</text>')
    for number, (case, what, ratio, _, note) in enumerate(rows):
        y = TOP + number * LINE
        end = start + math.log10(max(ratio, 0.5)) * scale
        colour = "#999" if what.startswith("floor") else "#1b7837" if what.startswith("arpent") else "#b35806"
        mark = "*" if note.startswith("measured") else ""
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(f"{case}: {what}")}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{max(1.0, end - LEFT):.1f}" height="15" fill="{colour}"/>')
        parts.append(f'<text x="{end + 6:.0f}" y="{y + 12}">{ratio:.2f}{mark}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
