"""What `make bench` makes of what it measured."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from benchmarks.chart import chart
from benchmarks.criteria import judge
from benchmarks.report import report, rows

SECONDS = {
    "numbers": 1.2, "numbers, percentiles, histogram": 1.4, "files": 1.9, "files, percentiles, histogram": 2.3,
}  # fmt: skip


def taken(cpu: float, **more: object) -> dict[str, Any]:
    return {"cpu": cpu, "wall": cpu, **more}


def peer(cpu: float, agrees: bool = True, extrapolated: bool = False) -> dict[str, Any]:
    return taken(cpu, agreement={"agrees": agrees}, extrapolated=extrapolated, note="", peak=1, images=True)


def run(**more: dict[str, Any]) -> dict[str, Any]:
    core = {
        "decoder": "quick", "blocks": 30, "decoded": 33, "compressed": 10, "features": 20, "dates": 2, "partitions": 1,
        "analysis": 0.1, "floor": taken(1.0), "arpent": {what: taken(cpu) for what, cpu in SECONDS.items()},
        "stages": {"read and decode": 1.0, "rest": 0.5}, "peak": 10**9, "script_peak": 10**7,
    }  # fmt: skip
    return {"size": "T", "machine": "1 x", "seconds": 3, "cases": {"sparse": core, **more}}


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    return {one.name: one.met for one in judge(found)}


def test_ratios_to_the_floor() -> None:
    assert verdicts(run()) == {
        "UTM: numbers, multiple of the floor": False,
        "UTM: files, multiple of the floor": False,
        "UTM: 5 percentiles and 20 bins on top of numbers": True,
        "UTM: 5 percentiles and 20 bins on top of files": False,
        "sparse: blocks decoded, multiple of those needed": True,
    }


def test_each_shape_has_its_goal() -> None:
    case = run()["cases"]["sparse"]
    measured = verdicts(run(voronoi=case, dense=case))
    assert measured["voronoi: numbers, multiple of the floor"]
    assert measured["dense: files, multiple of the floor"]
    assert not verdicts(run(orbit={**case, "decoded": 34}))["orbit: blocks decoded, multiple of those needed"]


def test_peers_whose_numbers_differ_or_that_are_missing_prove_nothing() -> None:
    peers = {
        "label image, NDVI where parcels are": peer(3.0, agrees=False),
        "label image, NDVI of whole images": peer(8.0),
        "odc-stac, label image, bincount": {"note": "not measured: odc.stac is not installed"},
        "rasterio loop, files open": peer(20.0, extrapolated=True),
    }
    found = run(peers=peers)
    listed = [one for one in judge(found) if "times" in one.name]
    assert [(one.measured, one.met, one.extrapolated) for one in listed] == [
        (8.0 / 1.9, True, False),
        (8.0 / 1.9, True, False),
        (20.0 / 1.9, True, True),
    ]
    assert "not measured: odc.stac is not installed" in report(found)


def test_time_and_memory() -> None:
    grown = {"parcels 1": {"work": 1, "cpu": 1.0, "peak": 1}, "parcels 4": {"work": 4, "cpu": 4.3, "peak": 2 * 10**9}}
    found = run(
        growth=grown,
        remote={"local": 1.0, "http": 1.5, "delay": 0.03},
        workers={"1": {"wall": 2.0, "peak": 1}, "2": {"wall": 1.1, "peak": 2 * 10**9}},
    )
    measured = {one.name: (round(one.measured, 3), one.met) for one in judge(found)}
    assert measured["growth: time against work, 1 to 4 parcels"] == (1.075, False)
    assert measured["HTTP, 30 ms to the first byte: multiple of the local time (wall)"] == (1.5, False)
    assert measured["two worker processes, times one (wall)"] == (1.818, True)
    assert measured["peak memory of a process, GB (the most of 2 cases: 2 workers)"] == (2.0, False)


def test_table_chart_and_file_hold_every_row() -> None:
    found = run(peers={"label <image>": peer(8.0, extrapolated=True)})
    text, drawn = report(found), chart(rows(found), found)
    ElementTree.fromstring(drawn)
    for row in rows(found):
        assert row.what in text
    assert "label &lt;image&gt;" in drawn
    assert "~8.00" in drawn
    assert text.splitlines()[-1] == "4 of 7 met"
    json.dumps([one.as_json() for one in judge(found)])


def test_nothing_measured_is_nothing_judged() -> None:
    assert "nothing to judge" in report({"size": "T", "machine": "1 x", "seconds": 0, "cases": {}})


def test_whole_commands_have_their_goals() -> None:
    commands = {
        "one parcel": taken(1.4, peak=1),
        "dense, files,table": taken(9.0, peak=1), "dense, table": taken(2.9, peak=10**9),
        "sparse, workers: 1": taken(8.5, peak=1), "sparse, workers: 2": taken(7.2, peak=1),
        "very many, files,table": taken(26.0, peak=1), "very many, table": taken(20.0, peak=1),
    }  # fmt: skip
    synchronous = {
        "rasterio loop": taken(0.9), "field": taken(0.31), "field again": taken(0.04), "neighbour": taken(0.06),
        "dates": 70, "fields": 9,
    }  # fmt: skip
    found = run(commands=commands, synchronous=synchronous)
    found["cases"]["dense"] = found["cases"]["sparse"]
    told = verdicts(found)
    assert told["one parcel by `arpent run`, s (wall)"]
    assert told["dense: whole `arpent run` as a table, multiple of the floor"]
    assert not told["sparse: whole `arpent run` by two workers, times one (wall)"]
    assert told["very many: whole `arpent run`, one date, s (wall; half of what 700,000 took once)"]
    assert not told["synchronous: field x 70 dates across blocks, share of a rasterio loop (wall)"]
    assert told["synchronous: field again, s (wall)"]
    assert not told["synchronous: neighbour, s (wall)"]
    assert told["peak memory of a process, GB (the most of 7 cases: command, dense, table)"]
    assert "neighbour" in report({**found, "criteria": []})


def test_images_far_away_have_their_goals() -> None:
    far = {
        "delay": 0.03, "rate": 12.5e6, "images": 9, "ideal": 40, "link": 7.0, "local": 2.0,
        "first": {"requests": 47, "bytes": 9e7, "wall": 8.0}, "second": {"requests": 10, "bytes": 6e5, "wall": 2.5},
    }  # fmt: skip
    found = run(far=far)
    told = verdicts(found)
    assert told["30 ms and 100 Mbit/s away: requests, multiple of the ideal"]
    assert told["30 ms and 100 Mbit/s away: multiple of the longer of link and local time (wall)"]
    assert not told["30 ms and 100 Mbit/s away: requests of a second job but one per image"]
    assert "second job 2.5 s, 10 requests" in report(found)


def test_runner_analysis_and_regions_have_their_goals() -> None:
    many = {
        "features": 700_000, "analysis": 9.0, "analysis cpu": 11.0, "runner's analysis": 4.1, "runner": 3.0,
        "cpu": 40.0, "interval": 30.0, "done": 1, "failed": 0, "partitions": 35,
        "peaks": {"before": 1, "analysis": 1.1e9, "runner": 1, "worker": 1, "script": 1},
    }  # fmt: skip
    large = {"features": 500, "cpu": 1.0, "wall": 1.0, "peak": 0.4e9}
    regions = {"exactextract": peer(18.0), "arpent": taken(5.0)}
    found = run(many=many, large=large, **{"regions-peers": regions})
    told = verdicts(found)
    assert told["analysis of 700,000 parcels: the runner's microseconds of each (cpu)"]
    assert told["very many: the runner after its analysis, share of all (cpu)"]
    assert not told["analysis of 700,000 parcels, peak memory, GB"]
    assert told["analysis of 500 features of the largest size, peak memory, GB"]
    assert told["regions x 2: numbers, times exactextract on whole images"]
    assert "exactextract" in report(found)
