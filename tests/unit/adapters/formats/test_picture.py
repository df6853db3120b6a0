"""Pictures of explanations: every sample in its place, and no failure without a picture."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from PIL import Image
from pyproj import CRS

from arpent.adapters.formats.picture import COUNTS, MARGIN, MASKED, OUTSIDE, PANEL, TITLE, picture
from arpent.domain.evalscript import Mosaicking, SampleType
from arpent.domain.explanation import Explanation, SeenInput, SeenItem, SeenOutput
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.result import ErrorType, Failure, PartitionResult

BOX = shapely.box(0, 0, 40, 20)


@pytest.fixture
def explanation() -> Explanation:
    """A grid of 4 x 2; three samples inside, the last of which does not count."""
    features = Features(crs=CRS(32633), ids=np.array([5]), identifiers=(None,), geometries=np.array([BOX], object))
    when = datetime(2023, 6, 1, tzinfo=UTC)
    item = Item(
        id="S2A_x", collection="s2", instant=when, created=None, cloud_cover=1.0, footprint=BOX, assets={}
    )  # fmt: skip
    values = np.array([[0.1, 0.2, np.nan, np.nan]])
    return Explanation(
        features=features,
        interval=Interval(start=when, end=datetime(2023, 7, 1, tzinfo=UTC)),
        grids=Grids(bounds=np.array([[0.0, 0.0, 40.0, 20.0]]), width=np.array([4]), height=np.array([2])),
        samples=Samples.of(
            offsets=np.array([0, 3]), columns=np.array([0, 1, 3], np.int32), rows=np.array([0, 0, 1], np.int32)
        ),
        inputs=(
            SeenInput(
                name="0",
                collection="s2",
                mosaicking=Mosaicking.SIMPLE,
                bands=("B04",),
                units=("REFLECTANCE",),
                items=(SeenItem(item=item, clear=True, reached=True, kept=True, samples=2),),
                values=(np.array([[0.1, 0.2, 0.0]]),),
                origin=np.array([[0, 0, -1]]),
            ),
        ),
        outputs=(
            SeenOutput(
                id="default",
                bands=("B0",),
                sample_type=SampleType.FLOAT32,
                returned=values,
                values=values,
                mask=np.array([1.0, 1.0, 0.0, 0.0]),
                valid=np.array([[True, True, False, False]]),
            ),
        ),
        result=PartitionResult(features=features, intervals=(), geometry_pixel_count=np.array([3])),
    )


def opened(payload: bytes) -> Image.Image:
    return Image.open(io.BytesIO(payload)).convert("RGB")


def test_samples_lie_where_they_belong(explanation: Explanation) -> None:
    sheet = opened(picture(explanation))
    assert sheet.width == 3 * PANEL + 4 * MARGIN
    left, top, cell = MARGIN + PANEL + MARGIN, MARGIN + 20 + TITLE, PANEL // 4  # the second panel: the mask
    middle = {(c, r): sheet.getpixel((left + c * cell + cell // 2, top + r * cell + cell // 2))
              for c in range(4) for r in range(2)}  # fmt: skip
    assert middle.pop((0, 0)) == middle.pop((1, 0)) == COUNTS
    assert middle.pop((3, 1)) == MASKED
    assert set(middle.values()) == {OUTSIDE}


def test_true_colour_where_the_bands_are_there(explanation: Explanation) -> None:
    (one,) = explanation.inputs
    planes = tuple(np.array([[low, high, 0.0]]) for low, high in ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5)))
    colour = replace(one, bands=("B04", "B03", "B02"), units=("R",) * 3, values=planes)
    sheet = opened(picture(replace(explanation, inputs=(colour,))))
    middle = (MARGIN + PANEL // 8, MARGIN + 20 + TITLE + PANEL // 8)
    assert sheet.getpixel(middle) == (0, 255, 0)
    assert sheet.getpixel((middle[0] + PANEL // 4, middle[1])) == (255, 0, 0)


def test_without_grid_or_answer_it_says_so(explanation: Explanation) -> None:
    failure = Failure(type=ErrorType.BAD_REQUEST, message="The geometry is empty – really.")
    failed = replace(explanation.result, failures={0: failure})
    for broken in (
        replace(explanation, grids=None, samples=None, inputs=(), outputs=(), result=failed),
        replace(explanation, inputs=(), outputs=()),
    ):
        assert opened(picture(broken)).width > 300
