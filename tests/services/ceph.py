"""Ceph on one node with its RADOS Gateway: a real S3, on loopback only, thrown away at the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import free_port, wait_for

OWNER = ("testkey", "testsecret")
"""Keys of the user who owns the buckets."""
STRANGER = ("strangerkey", "never-tell-this-secret")
"""Keys of a user who may do nothing with them, unless a bucket's policy or a role says so."""
ROLES = {
    "keeper": ("stranger", "s3:*"),
    "reader": ("stranger", "s3:GetObject"),
    "closed": ("owner", "s3:*"),
}
"""Name → (the user who may assume the role, what it may do with any bucket)."""
_DISK = 6 << 30
"""Bytes of the (sparse) file that stands for a disk."""


@contextmanager
def ceph() -> Iterator[str]:
    """The gateway's endpoint. One monitor and one disk are enough for S3; no manager is needed."""
    with tempfile.TemporaryDirectory(prefix="arpent-ceph-") as name:
        home, port = Path(name), free_port()
        environment = {**os.environ, "CEPH_CONF": str(_configured(home, port))}
        started: list[subprocess.Popen[bytes]] = []

        def start(program: str, *arguments: str) -> None:
            with (home / f"{program}.log").open("wb") as log:
                command = [program, "-f", *arguments]
                started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home))

        try:
            _run(environment, "ceph-mon", "--mkfs", "-i", "a", "--monmap", str(home / "monmap"))
            start("ceph-mon", "-i", "a")
            disk = str(uuid.uuid4())
            _run(environment, "ceph", "--connect-timeout", "30", "osd", "new", disk)
            _run(environment, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
            start("ceph-osd", "-i", "0")
            start("radosgw", "-n", "client.rgw.a")
            wait_for(lambda: _answers(port, started, home), 120, "Ceph's gateway")
            for user, (key, secret) in {"owner": OWNER, "stranger": STRANGER}.items():
                _run(environment, "radosgw-admin", "user", "create", "--uid", user, "--display-name", user,
                     "--access-key", key, "--secret", secret)  # fmt: skip
            for role, (user, action) in ROLES.items():
                trust = _policy(Principal={"AWS": [f"arn:aws:iam:::user/{user}"]}, Action=["sts:AssumeRole"])
                rights = _policy(Action=[action], Resource=["arn:aws:s3:::*"])
                _run(environment, "radosgw-admin", "role", "create", "--role-name", role,
                     "--assume-role-policy-doc", trust)  # fmt: skip
                _run(environment, "radosgw-admin", "role-policy", "put", "--role-name", role,
                     "--policy-name", "rights", "--policy-doc", rights)  # fmt: skip
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGKILL)  # nothing of it is kept
                process.wait()


def _configured(home: Path, port: int) -> Path:
    """The configuration file and the map of monitors."""
    identity, monitor, old_monitor = str(uuid.uuid4()), free_port(), free_port()
    for folder in ("mon.a", "osd.0", "run", "rgw"):
        (home / folder).mkdir()
    everything = {
        "fsid": identity,
        "mon_initial_members": "a",
        "mon_host": f"[v2:127.0.0.1:{monitor},v1:127.0.0.1:{old_monitor}]",
        "public_addr": "127.0.0.1",
        "cluster_addr": "127.0.0.1",
        "ms_bind_ipv6": "false",
        # Only this machine reaches the daemons, and they hold test data only.
        **dict.fromkeys(("auth_cluster_required", "auth_service_required", "auth_client_required"), "none"),
        # One disk keeps one copy, whatever its filling.
        "osd_pool_default_size": "1",
        "osd_pool_default_min_size": "1",
        "mon_allow_pool_size_one": "true",
        "osd_crush_chooseleaf_type": "0",
        "osd_pool_default_pg_num": "4",
        "osd_pool_default_pgp_num": "4",
        "osd_pool_default_pg_autoscale_mode": "off",
        "mon_max_pg_per_osd": "1000",
        "mon_data_avail_warn": "2",
        "mon_data_avail_crit": "1",
        "osd_objectstore": "bluestore",
        "bluestore_block_size": str(_DISK),
        "osd_memory_target": str(939524096),
        "run_dir": str(home / "run"),
        "admin_socket": "",
    }
    sections: dict[str, Mapping[str, str]] = {
        "global": everything,
        "mon.a": {"mon_data": str(home / "mon.a")},
        "osd.0": {"osd_data": str(home / "osd.0")},
        "client.rgw.a": {
            "rgw_data": str(home / "rgw"),
            "rgw_frontends": f"beast endpoint=127.0.0.1:{port}",
            "rgw_thread_pool_size": "64",
            # Temporary keys for those who assume a role; here they may end after seconds.
            "rgw_s3_auth_use_sts": "true",
            "rgw_sts_key": "sixteen-letters!",
            "rgw_sts_min_session_duration": "1",
            # Without keys there is nothing to encrypt with; the gateway would wait for ever.
            "ms_mon_client_mode": "crc",
            "ms_client_mode": "crc",
        },
    }
    lines = [
        line
        for section, values in sections.items()
        for line in (f"[{section}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    path = home / "ceph.conf"
    path.write_text("\n".join(lines) + "\n")
    address = f"[v2:127.0.0.1:{monitor},v1:127.0.0.1:{old_monitor}]"
    _run(dict(os.environ), "monmaptool", "--create", "--clobber", "--fsid", identity, "--addv", "a", address,
         str(home / "monmap"))  # fmt: skip
    return path


def _policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _run(environment: Mapping[str, str], *command: str) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")


def _answers(port: int, started: list[subprocess.Popen[bytes]], home: Path) -> bool:
    for process in started:
        if process.poll() is not None:
            logs = "".join(f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}\n" for path in home.glob("*.log"))
            raise RuntimeError(f"a daemon of Ceph ended with {process.returncode}\n{logs}")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
