"""Picture of an explanation, drawn with Pillow: imagery, mask and outputs side by side, on the feature's own grid."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from arpent.domain.explanation import Explanation, SeenInput
from arpent.domain.grid import Grids, Samples

PANEL = 360
"""Approximate pixels of a panel's longer side."""
MARGIN, TITLE = 12, 40
MOST_OUTPUTS = 4
"""Maximum number of output bands drawn."""
TRUE_COLOUR = ("B04", "B03", "B02")
"""Bands drawn as red, green and blue if a script reads all of them; otherwise its first band is drawn in grey."""
OUTSIDE, COUNTS, MASKED = (235, 235, 238), (46, 125, 50), (198, 40, 40)
RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)
"""Colours from the smallest to the largest value."""
INK, LINE = (33, 33, 33), (255, 111, 0)

Panel = tuple[str, str, NDArray[np.uint8]]
"""(title, subtitle, (N, 3) colours of the samples inside the polygon)."""


def picture(explanation: Explanation) -> bytes:
    """The picture as PNG bytes. Samples outside the polygon are pale; the outline is the polygon's."""
    grids, samples = explanation.grids, explanation.samples
    if grids is None or samples is None:
        return _png(_note("There is no grid: " + explanation.result.failures[0].message))
    panels = [*_imagery(explanation), *_masks(explanation), *_outputs(explanation)]
    if not panels:
        return _png(_note("There is nothing to draw: no imagery reaches the feature, or the script failed."))
    drawn = [_panel(panel, grids, samples, explanation.features.geometries[0]) for panel in panels]
    width = sum(each.width for each in drawn) + MARGIN * (len(drawn) + 1)
    sheet = Image.new("RGB", (width, max(each.height for each in drawn) + 2 * MARGIN + 20), "white")
    title = f"feature {explanation.features.ids[0]}, {explanation.interval.start:%Y-%m-%d} to "
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN // 2), title + f"{explanation.interval.end:%Y-%m-%d}", fill=INK)
    left = MARGIN
    for each in drawn:
        sheet.paste(each, (left, MARGIN + 20))
        left += each.width + MARGIN
    return _png(sheet)


def _imagery(explanation: Explanation) -> Iterator[Panel]:
    """A panel of the first scene of each input; black where it has no data."""
    for one in explanation.inputs:
        if not one.values or not len(one.origin):
            continue
        bands = TRUE_COLOUR if set(TRUE_COLOUR) <= set(one.bands) else one.bands[:1] * 3
        seen = one.origin[0] >= 0
        planes = [_stretch(one.values[one.bands.index(band)][0], seen)[0] for band in bands]
        colours = (np.column_stack(planes) * 255).astype(np.uint8)
        colours[~seen] = 0
        yield f"imagery: {' '.join(dict.fromkeys(bands))}", _first_scene(one), colours


def _first_scene(one: SeenInput) -> str:
    ids = [one.items[row].item.id for row in np.unique(one.origin[0]) if row >= 0]
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    return f"{ids[0]}{more}" if ids else "no data"


def _masks(explanation: Explanation) -> Iterator[Panel]:
    """A panel that shows which samples are valid for the first output."""
    for one in explanation.outputs[:1]:
        counts = one.valid[0, :-1]
        colours = np.where(counts[:, np.newaxis], COUNTS, MASKED).astype(np.uint8)
        yield f"mask of {one.id}", f"green counts ({int(counts.sum())}), red does not ({int((~counts).sum())})", colours


def _outputs(explanation: Explanation) -> Iterator[Panel]:
    bands = [(one, row) for one in explanation.outputs for row in range(len(one.bands))]
    for one, row in bands[:MOST_OUTPUTS]:
        counts = one.valid[row, :-1]
        shares, low, high = _stretch(one.values[row, :-1], counts)
        steps = np.linspace(0, 1, len(RAMP))
        colours = np.column_stack([np.interp(shares, steps, RAMP[:, c]) for c in range(3)]).astype(np.uint8)
        colours[~counts] = 0
        yield f"output {one.id}.{one.bands[row]}", f"dark {low:.4g}, bright {high:.4g}, black: no data", colours


def _stretch(values: NDArray[np.float64], counts: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float, float]:
    """Values scaled to 0..1 over the range of the valid ones, and that range."""
    found = values[counts & np.isfinite(values)]
    if not len(found):
        return np.zeros(len(values)), float("nan"), float("nan")
    low, high = float(found.min()), float(found.max())
    shares = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    return np.clip(shares, 0.0, 1.0), low, high


def _panel(panel: Panel, grids: Grids, samples: Samples, geometry: shapely.Geometry) -> Image.Image:
    title, line, colours = panel
    width, height = int(grids.width[0]), int(grids.height[0])
    matrix = np.full((height, width, 3), OUTSIDE, np.uint8)
    matrix[samples.rows, samples.columns] = colours
    # The sides of a sample are drawn in their true proportion, which is seldom 1 in degrees.
    extent = grids.bounds[0, 2:] - grids.bounds[0, :2]
    longer = float(extent.max()) or 1.0
    across, down = (max(24, round(PANEL * float(side) / longer)) for side in extent)
    image = Image.fromarray(matrix, "RGB").resize((across, down), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for ring in _rings(geometry):
        shares = (ring - grids.bounds[0, :2]) / np.where(extent > 0, extent, 1.0)
        draw.line([(float(x * across), float((1 - y) * down)) for x, y in shares], fill=LINE, width=2)
    card = Image.new("RGB", (max(across, 300), down + TITLE), "white")
    card.paste(image, (0, TITLE))
    texts = ImageDraw.Draw(card)
    for row, text in enumerate((title, line)):
        texts.text((0, 4 + 16 * row), text.encode("latin-1", "replace").decode("latin-1"), fill=INK)
    return card


def _rings(geometry: shapely.Geometry) -> Iterator[NDArray[np.float64]]:
    for part in shapely.get_parts(geometry):
        for ring in shapely.get_rings(part):
            yield shapely.get_coordinates(ring)


def _note(text: str) -> Image.Image:
    sheet = Image.new("RGB", (720, 60), "white")
    ImageDraw.Draw(sheet).text((MARGIN, 20), text[:110].encode("latin-1", "replace").decode("latin-1"), fill=INK)
    return sheet


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()
