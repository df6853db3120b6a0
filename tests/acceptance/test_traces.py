"""One trace from POST to the last PUT, over server, runner and workers, as a collector receives it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support import client
from tests.support.collector import Collector, collector
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server, wait_for
from tests.support.world import SEASON, make_imagery

TRACE, ABOVE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def features_of(received: Collector) -> int:
    return sum(int(str(span.attributes["arpent.features.done"])) for span in received.named("process"))


@pytest.mark.slow
def test_a_job_is_one_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    catalog = make_imagery(tmp_path / "stac", SEASON[:2])
    with collector() as received:
        server = Server(
            folder=tmp_path, catalog=catalog, settings={"OTLP_ENDPOINT": received.url},
            variables={"OTEL_BSP_SCHEDULE_DELAY": "200"},
        )  # fmt: skip
        (server.buckets / "fields").mkdir(parents=True)
        (server.buckets / "results").mkdir()
        write_geopackage(server.buckets / "fields" / "fields.gpkg", good_parcels()[:4])
        client_id, secret = server.add_client()
        try:
            server.start()
            with client.signed_in(server, client_id, secret) as session:
                session.headers["traceparent"] = f"00-{TRACE}-{ABOVE}-01"
                body = client.seed_body("s3://fields/fields.gpkg", NDVI.text)
                job = client.run_job(session, server, body)
                session.post(f"{server.url}/api/v1/statistics", json={})  # refused, in another process
            assert job["status"] == "DONE"
            for name in ("analyse", "answer_statistics", "POST /api/v1/statistics"):
                wait_for(partial(received.named, name), 60, f"a span {name}")
            wait_for(lambda: features_of(received) == 4, 60, "the spans of all partitions")
        finally:
            server.close()
    (start,) = received.named("POST /api/v1/statistics/batch/{job_id}/start")
    (create,) = received.named("POST /api/v1/statistics/batch")
    (analyse,) = received.named("analyse")
    ours = [span for span in received.spans if span.trace == TRACE]
    assert {span.role for span in ours} == {"server", "answers", "runner", "reader", "worker"}
    assert create.parent == start.parent == ABOVE
    (answer,), (asked,) = received.named("answer_statistics"), received.named("POST /api/v1/statistics")
    assert (answer.parent, answer.is_error, asked.is_error) == (asked.id, True, False)
    assert {span.parent for span in [analyse, *received.named("process")]} == {start.id}
    ids = {span.id for span in ours} | {ABOVE}
    assert {span.parent for span in ours} <= ids, "no span hangs in the air"
    # The last thing that a job does is to write results, and that is a span of its own within its partition.
    (last,) = sorted(received.named("write"), key=lambda span: span.ended)[-1:]
    assert last.parent in {span.id for span in received.named("process")}
    assert last.began >= analyse.ended >= create.began
    assert {span.attributes.get("arpent.job") for span in (create, start, analyse)} == {job["id"]}
    assert start.attributes["arpent.client"] == client_id
    for text in ("never-say-this-aloud", secret, "AKIATESTTESTTEST", "evaluatePixel"):
        assert text.encode() not in received.raw
