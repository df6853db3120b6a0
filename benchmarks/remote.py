"""A web server on loopback that answers range requests, with a delay to the first byte."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextlib.contextmanager
def serving(folder: Path, delay: float) -> Iterator[str]:
    """Serve a folder from a process on the other core; its address."""
    command = [sys.executable, "-m", "benchmarks.remote", str(folder), str(delay)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def linked(folder: Path, address: str) -> Path:
    """A catalogue whose items' hrefs lead to the server."""
    catalog = folder / "remote"
    shutil.rmtree(catalog, ignore_errors=True)
    for path in (folder / "catalog").glob("*/*.json"):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            asset["href"] = f"{address}/{path.parent.name}/{Path(asset['href']).name}"
        place = catalog / path.parent.name / path.name
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(item))
    return catalog


class Files(BaseHTTPRequestHandler):
    """Ranges of files."""

    protocol_version = "HTTP/1.1"
    root: Path
    delay: float

    def do_GET(self) -> None:
        time.sleep(self.delay)
        path = self.root / self.path.lstrip("/")
        size = path.stat().st_size
        wanted = self.headers.get("Range")
        first, last = 0, size - 1
        if wanted:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end), size - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Tue, 02 Apr 2024 10:00:31 GMT")
        self.end_headers()
        self.wfile.flush()
        with path.open("rb") as file:
            os.sendfile(self.connection.fileno(), file.fileno(), first, last - first + 1) if last >= first else None

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, others or os.sched_getaffinity(0))
    Files.root, Files.delay = Path(sys.argv[1]), float(sys.argv[2])
    server = Server(("127.0.0.1", 0), Files)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
