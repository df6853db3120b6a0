"""Run a command with PostgreSQL and Ceph beside it: `python -m tests.services pytest -m services`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.services.ceph import OWNER, ceph
from tests.services.postgres import postgres
from tests.support.gateway import make_bucket

BUCKET = "bucket"


def main() -> int:
    """The command's exit code. Its environment names the services."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, end)
    began = time.monotonic()
    prometheus = Path(sys.prefix) / "prometheus" / "usr" / "bin"
    with ExitStack() as services:
        database = services.enter_context(postgres())
        print(f"PostgreSQL is up after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        endpoint = services.enter_context(ceph())
        make_bucket(endpoint, BUCKET, OWNER)
        print(f"Ceph's gateway is up after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        environment = {
            **os.environ,
            "ARPENT_TEST_POSTGRES": database,
            "ARPENT_TEST_S3_ENDPOINT": endpoint,
            "ARPENT_TEST_S3_BUCKET": BUCKET,
            "ARPENT_TEST_DASK": "1",
            "ARPENT_TEST_BROWSER": shutil.which("chromium") or shutil.which("google-chrome") or "",
            "ARPENT_TEST_PROMETHEUS": str(prometheus) if (prometheus / "promtool").exists() else "",
            "ARPENT_TEST_R": shutil.which("Rscript") or "",
            "ARPENT_TEST_OIDC_MODULES": str(Path(sys.prefix) / "oidc"),
            "ARPENT_TEST_PGSTAC": str(Path(sys.prefix) / "pgstac" / "bin" / "python"),
        }
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
