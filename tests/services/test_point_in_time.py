"""PostgreSQL recovered to a moment in the middle of a job: it goes on from there and ends with the same files."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.services.postgres import running_cluster
from tests.support import client
from tests.support.middle import serving, slow_body
from tests.support.parcels import good_parcels
from tests.support.server import wait_for

pytestmark = pytest.mark.services

SETTINGS = {"PIXEL_BUDGET": "1000", "POLICY__LEASE_SECONDS": "5"}


def test_a_job_goes_on_from_the_moment_of_the_recovery(tmp_path: Path, catalog: Path) -> None:
    if not os.environ.get("ARPENT_TEST_POSTGRES"):
        pytest.skip("needs PostgreSQL: run `make test-services`, or set ARPENT_TEST_POSTGRES to its URL")
    with running_cluster(archive_mode="on", archive_command="mkdir -p ../archive && cp %p ../archive/%f") as cluster:
        settings = {**SETTINGS, "DATABASE_URL": cluster.url}
        with serving(tmp_path / "server", catalog, settings, fields=good_parcels(40)) as server:
            base = cluster.home / "base"
            cluster.program("pg_basebackup", "--pgdata", base, "--dbname", cluster.url, "--checkpoint=fast")
            credentials = server.add_client()
            with client.signed_in(server, *credentials) as session:
                job = client.create(session, server, slow_body("s3://results/recovered", 150_000))
                assert client.act(session, server, job, "start") == 204
                wait_for(lambda: client.status(session, server, job)["completionPercentage"], 60, "the first features")
                moment, then = datetime.now(UTC), client.status(session, server, job)
                assert 0 < then["completionPercentage"] < 100, "the case must recover a running job"
                expected = client.result_bytes(server, client.wait_until(session, server, job))
                with psycopg.connect(cluster.url, autocommit=True) as connection:
                    found = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
                    assert found is not None
                    wait_for(lambda: archived(connection, found[0]), 60, "the archive")
                server.stop()
                cluster.stop()

                recover(cluster.home, moment)
                for file in (server.buckets / "results" / "recovered" / job).glob("*.json"):
                    file.unlink()
                cluster.start()
                wait_for(lambda: is_promoted(cluster.url), 60, "the end of the recovery")
                server.start()
                assert client.status(session, server, job)["status"] == "PROCESSING"
                again = client.result_bytes(server, client.wait_until(session, server, job))
    assert again
    assert len(again) < len(expected), "what was done at the moment is not computed again"
    assert again == {name: expected[name] for name in again}


def archived(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Whether this piece of the log has been copied."""
    found = connection.execute("SELECT last_archived_wal >= %s FROM pg_stat_archiver", (name,)).fetchone()
    return found is not None and bool(found[0])


def recover(home: Path, moment: datetime) -> None:
    """As PostgreSQL's manual says: the copy of the cluster, and where the log is and how far it is followed."""
    shutil.move(home / "cluster", home / "lost")
    shutil.move(home / "base", home / "cluster")
    (home / "cluster" / "recovery.signal").touch()
    with (home / "cluster" / "postgresql.auto.conf").open("a") as file:
        file.write("restore_command = 'cp ../archive/%f %p'\n")
        file.write(f"recovery_target_time = '{moment.isoformat()}'\nrecovery_target_action = 'promote'\n")


def is_promoted(url: str) -> bool:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return found == (False,)
