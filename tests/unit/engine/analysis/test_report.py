"""What the report says of sizes and names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import Input, Mosaicking
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, PixelRule, Resolution, Rule, Size
from arpent.domain.interval import Interval
from arpent.domain.location import Location
from arpent.domain.request import Source
from arpent.engine.analysis import report
from arpent.engine.analysis.estimate import NOTHING
from arpent.engine.analysis.read_features import with_own_keys
from arpent.engine.band_bindings import bind_input
from arpent.engine.hints import Filtered
from arpent.engine.output_keys import result_key, template
from tests.support.cogs import item

BY_NAME = Location(scheme="s3", bucket="b", key="out/<REQUEST_ID>/<IDENTIFIER>")
BY_ID = Location(scheme="s3", bucket="b", key="out")


def features(*identifiers: str | None, side: float = 100.0) -> Features:
    return Features(
        crs=CRS.from_epsg(32633), ids=np.arange(1, len(identifiers) + 1), identifiers=identifiers,
        geometries=np.array([shapely.box(0, 0, side, side)] * len(identifiers), object),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "sampling", "found"),
    [
        (1.0, Resolution(x=10, y=10), 1),
        (9.9, Resolution(x=10, y=10), 1),
        (10.0, Resolution(x=10, y=10), 0),
        (14.0, Resolution(x=10, y=10), 0),
        (1.0, Size(width=1, height=1), 0),
        (1.0, Size(width=50, height=50), 0),
    ],
)
def test_smaller_than_the_sample_that_was_asked_for(side: float, sampling: Resolution | Size, found: int) -> None:
    one = features("a", side=side)
    assert len(report.small(one, Grids.over(one.bounds, sampling), sampling)) == found


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PixelRule(), "the pixels that it touches"),
        (PixelRule(kind=Rule.WEIGHTED), "the pixels that it touches"),
        (PixelRule(kind=Rule.CENTRE), "if there is one"),
        (PixelRule(kind=Rule.CENTRE, nearest=True), "the nearest one"),
    ],
)
def test_the_finding_about_a_small_polygon_names_its_pixels(rule: PixelRule, words: str) -> None:
    one, sampling = features("a", side=1.0), Resolution(x=10, y=10)
    (finding,) = report.small(one, Grids.over(one.bounds, sampling), sampling, rule)
    assert words in finding.message


def names(told: Features, output: Location) -> list[tuple[int, str]]:
    return [(one.feature, one.kind) for one in report.names(told, with_own_keys("job", output, told), output)]


@pytest.mark.parametrize(
    "identifiers",
    [
        ("a", "b", "a", "a"),
        ("a", "a", "a~2"),
        ("a~2", "a", "a"),
        (None, "1", None),
        ("2", None),
        ("", "", "1"),
        ("x" * 300, "x" * 300),
        ("a/b", "a/b", ".", "..", ".", "\x01", "\x01", "a\ufffd", "a\ufffd"),
        ("x" * 150 + "~2", "x" * 181),
        ("x" * 150 + "~2", "x" * 181, "~2~2"),
        ("č" * 25 + "~2", "č" * 300),
    ],
)
def test_every_feature_has_a_file_of_its_own(identifiers: tuple[str | None, ...]) -> None:
    told = features(*identifiers)
    named = with_own_keys("job", BY_NAME, told)
    keys = [
        result_key(template(BY_NAME), "job", feature, name)
        for feature, name in zip(named.ids.tolist(), named.identifiers, strict=True)
    ]
    assert len(set(keys)) == len(keys)
    assert all(key.count("/") == 2 and not key.endswith("/") for key in keys)
    changed = {int(one) for one, old, new in zip(told.ids, identifiers, named.identifiers, strict=True) if old != new}
    assert changed <= {feature for feature, kind in names(told, BY_NAME) if kind == "duplicate-identifier"}
    assert named.identifiers[0] == identifiers[0], "the first keeps its name"


@pytest.mark.parametrize("template_", ["<IDENTIFIER><ID>", "<ID><IDENTIFIER>", "<REQUEST_ID>/<IDENTIFIER>-<ID>.json"])
def test_an_id_beside_an_identifier_does_not_make_it_another_name(template_: str) -> None:
    told = replace(features("a1", "a", "2x", "x", "a-", "a"), ids=np.array([2, 12, 1, 12 * 10, 1, -1]))
    output = Location(scheme="s3", bucket="b", key=template_)
    named = with_own_keys("job", output, told)
    rows = zip(named.ids.tolist(), named.identifiers, strict=True)
    assert len({result_key(output.key, "job", *row) for row in rows}) == len(told)


@pytest.mark.parametrize(
    ("key", "identifier"),
    [
        ("out/<REQUEST_ID>/<IDENTIFIER>", "parquet"),
        ("out/<REQUEST_ID>/<IDENTIFIER>", "documents"),
        ("<REQUEST_ID>/<IDENTIFIER>/features.json", "report"),
        ("out/<REQUEST_ID>/<IDENTIFIER>/collection.json", "stac"),
        ("<IDENTIFIER>/parquet", "job"),
        ("out/<REQUEST_ID>/<IDENTIFIER>/part-000000-0.parquet", "fingerprints"),
        ("out/<REQUEST_ID>/parquet/<IDENTIFIER>", "part-000000-0.parquet"),
        ("out/<REQUEST_ID>/documents/<IDENTIFIER>", "1.parquet"),
    ],
)
def test_no_result_lies_where_the_jobs_own_files_do(key: str, identifier: str) -> None:
    output = Location(scheme="s3", bucket="b", key=key)
    told = features(identifier, "b")
    named = with_own_keys("job", output, told)
    assert named.identifiers == (f"{identifier}~1", "b")
    (found,) = report.names(told, named, output)
    assert (found.feature, found.kind) == (1, "duplicate-identifier")


@pytest.mark.parametrize("key", ["x/<REQUEST_ID>/parquet/<ID>.parquet", "<REQUEST_ID>/documents/<IDENTIFIER>.parquet"])
def test_no_result_is_read_as_part_of_a_table(key: str) -> None:
    output = Location(scheme="s3", bucket="b", key=key)
    with pytest.raises(InvalidRequest, match=r"output->s3->url.*own tables"):
        with_own_keys("job", output, features("a", "b"))


@pytest.mark.parametrize(
    "key", ["x/<REQUEST_ID>/features/<ID>.json", "x/<REQUEST_ID>/parquet/<ID>", "parquet/<ID>.parquet"]
)
def test_other_names_beside_ours_stay(key: str) -> None:
    output, told = Location(scheme="s3", bucket="b", key=key), features("a", "b")
    assert with_own_keys("job", output, told).identifiers == ("a", "b")


def test_no_result_replaces_what_it_is_made_from() -> None:
    output = Location(scheme="s3", bucket="b", key="in/<IDENTIFIER>.gpkg")
    sources = [Location(scheme="s3", bucket=bucket, key=f"in/{name}.gpkg") for bucket, name in (("b", "a"), ("c", "b"))]
    assert with_own_keys("job", output, features("a", "b"), *sources).identifiers == ("a~1", "b")


def test_an_id_replaces_nothing_that_is_read() -> None:
    output, source = (Location(scheme="s3", bucket="b", key=key) for key in ("in/<ID>.gpkg", "in/2.gpkg"))
    with pytest.raises(InvalidRequest, match=r"output->s3->url.*feature 2 would replace 'in/2\.gpkg'"):
        with_own_keys("job", output, features("a", "b", "c"), source)
    assert with_own_keys("job", output, features("a"), source).identifiers == ("a",)


def test_names_that_may_surprise() -> None:
    told = features("a", "a", "Lo\ufffde", "x" * 300, None, None)
    assert names(told, BY_ID) == [(2, "duplicate-identifier"), (3, "identifier-repaired")]
    assert names(told, BY_NAME) == [(2, "duplicate-identifier"), (3, "identifier-repaired"), (4, "long-identifier")]
    (long,) = [one for one in report.names(told, told, BY_NAME) if one.kind == "long-identifier"]
    assert "x" * 150 + "~4" in long.message


def test_the_filters_that_excluded_a_feature_are_named() -> None:
    s2 = load_collections()["sentinel-2-l2a"]
    one = Input(datasource=None, bands=("B04",), units=(None,), mosaicking=Mosaicking.SIMPLE)
    binding = bind_input(one, Source(id="0", collection=s2.id), s2)
    start = datetime(2023, 6, 1, tzinfo=UTC)
    filtered = Filtered(4)
    filtered.add(item("cloudy", {}), np.array([True, False, True, False]))
    filtered.drop(item("other", {}), "orbitDirection", np.array([False, True, True, False]), silent=False)
    seen = replace(NOTHING, reached=np.zeros(4, bool), filtered=(filtered,))
    found = report.outside(
        features("a", "b", "c", "d"),
        seen,
        [binding],
        intervals=[Interval(start=start, end=start + timedelta(days=5))],
        complete=True,
    )
    assert [finding.message for finding in found] == [
        report.CLOUDY,
        report.FILTERED.format(names="orbitDirection"),
        report.FILTERED.format(names="maxCloudCoverage, orbitDirection"),
        report.OUTSIDE,
    ]
