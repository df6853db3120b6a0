"""How long a status call takes while a job uses every core: the 99th percentile, as a ratio to an idle server.

Run: python -m benchmarks.latency. Server, runner and workers are real processes; this client takes a share of a core.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server
from tests.support.world import make_imagery

CALLS = 400


def percentiles(session: OAuth2Session, server: Server, job: str) -> tuple[float, float]:
    """Median and 99th percentile of a status call, milliseconds."""
    taken = []
    for _ in range(CALLS):
        began = perf_counter()
        client.status(session, server, job)
        taken.append(1000 * (perf_counter() - began))
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 99))


def main() -> None:
    """Print a table."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"EXECUTOR": "processes", "PIXEL_BUDGET": "2000", "SCRIPT_SECONDS": "600"}
        server = Server(folder=folder, catalog=make_imagery(folder / "stac"), settings=settings)
        write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(200))
        (server.buckets / "results").mkdir()
        try:
            server.start()
            with client.signed_in(server, *server.add_client()) as session:
                body = client.seed_body("s3://fields/parcels.gpkg", slow_script(400_000))
                job = client.create(session, server, body)
                idle = percentiles(session, server, job)
                client.act(session, server, job, "start")
                client.wait_until(session, server, job, ("PROCESSING",))
                busy = percentiles(session, server, job)
                assert client.status(session, server, job)["status"] == "PROCESSING", "the job ended too soon"
        finally:
            server.close()
    print(f"{'':6} {'median ms':>10} {'p99 ms':>8}")
    print(f"{'idle':6} {idle[0]:10.1f} {idle[1]:8.1f}\n{'busy':6} {busy[0]:10.1f} {busy[1]:8.1f}")
    print(f"{'ratio':6} {busy[0] / idle[0]:10.2f} {busy[1] / idle[1]:8.2f}")


if __name__ == "__main__":
    main()
