"""Remote: a local web server that answers range requests with a delay to the first byte and a limited rate."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COUNTS = "/counts"
"""Path that returns the numbers of requests and bytes since it was last requested."""
PIECE = 1 << 16
"""Bytes that are sent at once; responses take turns on the link."""


@contextlib.contextmanager
def serving(folder: Path, delay: float, rate: float = 0.0) -> Iterator[str]:
    """Serve a folder from a process on another core; yields its URL. `rate`: bytes per second of a link that all
    responses share; 0: unlimited."""
    command = [sys.executable, "-m", "benchmarks.remote", str(folder), str(delay), str(rate)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def asked(address: str) -> tuple[int, int]:
    """Numbers of requests and bytes since the last call."""
    with urllib.request.urlopen(address + COUNTS) as answer:
        requests, size = json.load(answer)
    return requests, size


def linked(folder: Path, address: str) -> Path:
    """Make a catalogue whose items' hrefs lead to the server at `address`; returns its folder."""
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
    """Serves files below `root`, and ranges of them."""

    protocol_version = "HTTP/1.1"
    root: Path
    delay: float
    rate: float
    lock = threading.Lock()
    requests = size = 0
    free_at = 0.0

    def do_GET(self) -> None:
        if self.path == COUNTS:
            self._tell()
            return
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
        with self.lock:
            Files.requests, Files.size = Files.requests + 1, Files.size + last - first + 1
        with path.open("rb") as file:
            step = PIECE if self.rate else last - first + 1
            while first <= last:
                self._wait(min(step, last - first + 1))
                first += os.sendfile(self.connection.fileno(), file.fileno(), first, min(step, last - first + 1))

    def _wait(self, size: int) -> None:
        """Wait until the link has carried `size` more bytes."""
        if not self.rate:
            return
        with self.lock:
            Files.free_at = max(time.monotonic(), Files.free_at) + size / self.rate
            until = Files.free_at
        time.sleep(max(0.0, until - time.monotonic()))

    def _tell(self) -> None:
        with self.lock:
            told, Files.requests, Files.size = json.dumps([Files.requests, Files.size]).encode(), 0, 0
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, others or os.sched_getaffinity(0))
    Files.root, Files.delay, Files.rate = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    server = Server(("127.0.0.1", 0), Files)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
