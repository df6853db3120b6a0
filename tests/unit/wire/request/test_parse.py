"""Bodies become Requests, with the real service's defaults; what is wrong is named, with its fix (sentinelhub.md 2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arpent.domain.errors import EmptyBody, InvalidRequest
from arpent.domain.grid import Resolution, Size
from arpent.domain.imagery.collection import Collection
from arpent.domain.interval import Interval, LastInterval, Period
from arpent.domain.location import Location
from arpent.domain.request import MosaickingOrder, Resampling
from arpent.wire.request.body import with_evalscript
from arpent.wire.request.parse import BOTH_PAIRS, check_collections, parse_batch, parse_statistical
from tests.unit.wire.bodies import BATCH, REMOVE, SCRIPT, SECRET, STATISTICAL, text


def refused(changes: dict[str, Any], base: dict[str, Any] = BATCH) -> InvalidRequest:
    parse = parse_batch if base is BATCH else parse_statistical
    with pytest.raises(InvalidRequest) as caught:
        parse(text(base, changes))
    assert SECRET not in str(caught.value)
    return caught.value


def parameters(error: InvalidRequest) -> list[str]:
    return [parameter for parameter, _ in error.violations]


def test_the_seed_request() -> None:
    request = parse_batch(text(BATCH))
    assert isinstance(request.features, Location)
    assert request.features.url == "s3://bucket/parcels.gpkg"
    assert request.features.credentials.secret_access_key == SECRET
    assert SECRET not in repr(request)
    assert request.output is not None
    assert request.output.key == "results/"
    assert request.script == SCRIPT
    assert request.sampling == Resolution(x=10.0, y=10.0)
    (source,) = request.sources
    assert (source.id, source.collection, source.time_range) == ("0", "sentinel-2-l2a", None)
    assert source.mosaicking_order is MosaickingOrder.LEAST_CC
    assert (source.max_cloud_coverage, source.harmonize_values) == (100.0, True)
    assert source.upsampling is source.downsampling is Resampling.NEAREST
    assert request.last_interval is LastInterval.SKIP
    assert [(i.start.day, i.end.day) for i in request.intervals] == [(1, 1), (1, 31)]


@pytest.mark.parametrize(
    ("changes", "sampling"),
    [
        ({"resx": None, "resy": None, "width": 368.043, "height": 834.9}, Size(width=368, height=834)),
        ({"resx": 0.0001, "resy": 0.0002}, Resolution(x=0.0001, y=0.0002)),
    ],
)
def test_sampling(changes: dict[str, Any], sampling: Resolution | Size) -> None:
    request = parse_batch(text(BATCH, {f"aggregation.{name}": value for name, value in changes.items()}))
    assert request.sampling == sampling


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"aggregation.resy": REMOVE}, "aggregation->resy"),
        ({"aggregation.resx": REMOVE, "aggregation.resy": REMOVE}, "aggregation->resx"),
        ({"aggregation.resx": 0}, "aggregation->resx"),
        ({"aggregation.resx": "10"}, "aggregation->resx"),
        ({"aggregation.resx": REMOVE, "aggregation.resy": REMOVE, "aggregation.width": 20}, "aggregation->height"),
        ({"aggregation.timeRange.from": "2020-06-01"}, "aggregation->timeRange->from"),
        ({"aggregation.timeRange.from": "2020-06-01T00:00:00"}, "aggregation->timeRange->from"),
        ({"aggregation.timeRange.from": "2020-02-30T00:00:00Z"}, "aggregation->timeRange->from"),
        ({"aggregation.timeRange.from": "0001-01-01T00:00:00Z"}, "aggregation->timeRange->from"),
        ({"aggregation.timeRange.to": "2020-06-01T00:00:00Z"}, "aggregation->timeRange->to"),
        ({"aggregation.timeRange": REMOVE}, "aggregation->timeRange"),
        ({"aggregation.aggregationInterval.lastIntervalBehavior": "DROP"},
         "aggregation->aggregationInterval->lastIntervalBehavior"),
        ({"aggregation.evalscript": REMOVE}, "aggregation->evalscript"),
        ({"aggregation.evalscript": " "}, "aggregation->evalscript"),
        ({"aggregation.evalscript": "é" * 16384}, "aggregation->evalscript"),
        ({"aggregation.evalscriptReference": {"s3": {"url": "s3://b/k.js"}}}, "aggregation->evalscript"),
        ({"input.features.s3": REMOVE}, "input->features"),
        ({"input.features.gs": {"url": "gs://b/k"}}, "input->features"),
        ({"input.features.azure": {}}, "input->features->azure"),
        ({"input.features.s3.url": "https://bucket/parcels.gpkg"}, "input->features->s3->url"),
        ({"input.features.s3.url": "s3://bucket"}, "input->features->s3->url"),
        ({"input.features.s3.url": "s3://bucket/../etc/x.gpkg"}, "input->features->s3->url"),
        ({"input.features.s3.url": REMOVE}, "input->features->s3->url"),
        ({"input.features.s3.accessKey": REMOVE}, "input->features->s3->accessKey"),
        ({"input.features.s3.secretAccessKey": ""}, "input->features->s3->secretAccessKey"),
        ({"input.features.s3.region": "eu central/1"}, "input->features->s3->region"),
        ({"output.s3.region": "evil.example/"}, "output->s3->region"),
        ({"input.bounds": {"bbox": [0, 0, 1, 1]}}, "input->bounds"),
        ({"input.data": []}, "input->data"),
        ({"input.data.0.type": REMOVE}, "input->data->0->type"),
        ({"input.data.0.type": "no such"}, "input->data->0->type"),
        ({"input.data.0.dataFilter.mosaickingOrder": "newest"}, "input->data->0->dataFilter->mosaickingOrder"),
        ({"input.data.0.dataFilter.maxCloudCoverage": 101}, "input->data->0->dataFilter->maxCloudCoverage"),
        ({"input.data.0.processing": {"upsampling": "LANCZOS"}}, "input->data->0->processing->upsampling"),
        ({"input.data.0.processing": {"speckleFilter": {"type": "LEE"}}}, "input->data->0->processing->speckleFilter"),
        ({"input.data.0.dataFilter.orbitDirection": 5}, "input->data->0->dataFilter->orbitDirection"),
        ({"output": REMOVE}, "output"),
        ({"output.s3.url": "s3://bucket/<REQUEST_ID>/x"}, "output->s3->url"),
        ({"output.s3.url": "s3://bucket/<FID>.json"}, "output->s3->url"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(changes: dict[str, Any], parameter: str) -> None:
    assert parameters(refused(changes)) == [parameter]


def test_both_pairs_in_the_real_services_words() -> None:
    assert str(refused({"aggregation.width": 20, "aggregation.height": 20})) == BOTH_PAIRS


def test_everything_wrong_is_said_at_once() -> None:
    error = refused({"aggregation.timeRange.from": "now", "aggregation.resx": REMOVE, "output.s3.url": "here"})
    assert sorted(parameters(error)) == ["aggregation->resx", "aggregation->timeRange->from", "output->s3->url"]
    assert all(parameter in str(error) for parameter in parameters(error))


@pytest.mark.parametrize(
    "changes",
    [
        {"input.features.s3.secretAccessKey": [SECRET]},
        {"input.features.s3.secretAccessKey": {"x": SECRET}},
        {"input.features.s3": SECRET},
        {"input.features.s3.region": {"x": SECRET}},
        {"output.s3.url": SECRET},
        {"output": {"gs": {"url": "gs://b/k", "credentials": SECRET}}},
    ],
)
def test_no_value_is_repeated_in_an_error(changes: dict[str, Any]) -> None:
    error = refused(changes)
    assert SECRET not in repr(error.violations)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("written", "period"),
    [
        ("P1D", Period(span=timedelta(days=1))),
        ("P1W", Period(span=timedelta(weeks=1))),
        ("P1M", Period(months=1)),
        ("P1Y6M", Period(months=18)),
        ("PT36H", Period(span=timedelta(hours=36))),
        ("PT1440M", Period(span=timedelta(days=1))),
    ],
)
def test_durations(written: str, period: Period) -> None:
    assert parse_batch(text(BATCH, {"aggregation.aggregationInterval.of": written})).period == period


@pytest.mark.parametrize(
    "written",
    ["", "P", "PT", "1D", "P1DT12H", "PT12H", "P0D", "-P1D", "P1.5D", "P10000D1M", "P9999Y", "P\uff11D", "P1D\n"],
)
def test_durations_refused(written: str) -> None:
    assert parameters(refused({"aggregation.aggregationInterval.of": written})) == [
        "aggregation->aggregationInterval->of"
    ]


def test_a_range_of_countless_intervals_is_refused() -> None:
    changes = {"aggregation.timeRange.from": "1900-01-01T00:00:00Z", "aggregation.aggregationInterval.of": "P1D"}
    assert parameters(refused({**changes, "aggregation.timeRange.to": "2200-01-01T00:00:00Z"})) == [
        "aggregation->aggregationInterval->of"
    ]


def test_instants_become_utc_and_a_filters_range_keeps_its_end() -> None:
    zoned = {"from": "2019-01-31T14:00:00+01:00", "to": "2019-03-01T00:00:00.5Z"}
    request = parse_batch(text(BATCH, {"aggregation.timeRange": zoned, "input.data.0.dataFilter.timeRange": zoned}))
    start, end = datetime(2019, 1, 31, 13, tzinfo=UTC), datetime(2019, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert request.time_range == Interval(start=start, end=end)
    assert request.time_range.start.tzinfo is UTC
    assert request.sources[0].time_range is not None
    assert request.sources[0].time_range.contains(end)


def test_sources_have_ids_that_differ() -> None:
    entries = [{"type": "sentinel-2-l2a"}, {"type": "byoc-0e1f0d7c-7a2c-4ed8-a5c3-4b6d8c9e0f11", "id": "own"}]
    assert [source.id for source in parse_batch(text(BATCH, {"input.data": entries})).sources] == ["0", "own"]
    entries[1]["id"] = "0"
    assert parameters(refused({"input.data": entries})) == ["input->data->1->id"]


def test_what_asks_for_nothing_may_stand() -> None:
    parse_batch(
        text(
            BATCH,
            {
                "input.data.0.dataFilter.previewMode": "EXTENDED_PREVIEW",
                "input.data.0.dataFilter.tiers": "ALL_TIERS",
                "input.data.0.processing": {"orthorectify": False, "speckleFilter": {"type": "NONE"}, "egm": None},
                "calculations": None,
                "somethingElse": 1,
            },
        )
    )


def test_a_script_may_lie_in_a_bucket() -> None:
    reference = {"s3": {"url": "s3://bucket/script.js"}}
    changes = {"aggregation.evalscript": REMOVE, "aggregation.evalscriptReference": reference}
    script = parse_batch(text(BATCH, changes)).script
    assert isinstance(script, Location)
    assert script.url == "s3://bucket/script.js"


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/<REQUEST_ID>/<IDENTIFIER>.json", "s3://bucket/<ID>"])
def test_outputs(url: str) -> None:
    output = parse_batch(text(BATCH, {"output.s3.url": url})).output
    assert output is not None
    assert output.url.rstrip("/") == url


@pytest.mark.parametrize("body", ["", " \n"])
def test_no_body(body: str) -> None:
    with pytest.raises(EmptyBody, match=r"Request body should be non-empty\."):
        parse_batch(body)


@pytest.mark.parametrize(
    "body",
    ["{", "[]", '"x"', "{'a': 1}", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "{}"],
)
def test_bodies_that_are_none(body: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_batch(body)


def test_a_script_sent_beside_the_request_replaces_its_own() -> None:
    body = text(BATCH, {"calculations.default.histograms.default": {"nBins": 5, "lowEdge": 1.0, "highEdge": 2}})
    merged = with_evalscript(body, "//VERSION=3\nother")
    assert parse_batch(merged).script == "//VERSION=3\nother"
    before, after = json.loads(body), json.loads(merged)
    del before["aggregation"]["evalscript"], after["aggregation"]["evalscript"]
    assert json.dumps(before) == json.dumps(after)


def test_collections_are_checked_by_whoever_knows_them() -> None:
    clear = Collection(id="dem", aliases=(), stac_collections=(), bands={})
    known = {
        "sentinel-2-l2a": Collection(id="x", aliases=(), stac_collections=(), bands={}, cloud_cover="eo:cloud_cover")
    }
    request = parse_batch(text(BATCH))
    check_collections(request, known.get)
    with pytest.raises(InvalidRequest) as caught:
        check_collections(request, {}.get)
    assert parameters(caught.value) == ["input->data->0->type"]
    with pytest.raises(InvalidRequest, match="leastCC"):
        check_collections(request, {"sentinel-2-l2a": clear}.get)


def test_a_synchronous_request_has_bounds_and_an_inline_script() -> None:
    request = parse_statistical(text(STATISTICAL))
    assert request.output is None
    assert parameters(refused({"input.features": {}}, STATISTICAL)) == ["input->features"]
    assert parameters(refused({"aggregation.evalscript": REMOVE}, STATISTICAL)) == ["aggregation->evalscript"]
    reference = {"aggregation.evalscriptReference": {"s3": {"url": "s3://bucket/script.js"}}}
    assert parameters(refused(reference, STATISTICAL)) == ["aggregation->evalscriptReference"]


def test_without_size_a_synchronous_request_gets_256_by_256() -> None:
    changes = dict.fromkeys(("aggregation.resx", "aggregation.resy"), REMOVE)
    assert parse_statistical(text(STATISTICAL, changes)).sampling == Size(width=256, height=256)


@pytest.mark.parametrize("field", ["resx", "resy"])
def test_an_absurd_resolution_is_refused_by_name(field: str) -> None:
    assert parameters(refused({f"aggregation.{field}": 1e-300}, STATISTICAL)) == [f"aggregation->{field}"]


def test_a_resolution_too_fine_in_the_real_services_words() -> None:
    error = refused({"input.bounds.bbox": [0, 0, 26240, 100]}, STATISTICAL)
    assert str(error) == "`width = 2624`, calculated from resx, is larger than allowed 2500.\n"
    assert error.violations == (
        ("aggregation->resx", "`width = 2624`, calculated from resx, is larger than allowed 2500."),
    )
    assert parameters(refused({"aggregation.resx": 1e-300}, STATISTICAL)) == ["aggregation->resx"]
