"""`arpent serve`: the HTTP API in this process and a runner in another, so that work never slows an answer."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time

import uvicorn

from arpent import wiring
from arpent.logs import configure
from arpent.settings import Settings

log = logging.getLogger("arpent.cli.serve")
LONGEST_PAUSE = 30.0
"""Seconds between two tries to start a runner that keeps dying."""

GRACE_SECONDS = 10
"""How long requests under way may take to end when the server ends."""


def serve(settings: Settings) -> None:
    """Until SIGINT or SIGTERM."""
    configure(settings.log_format)
    application = wiring.application(settings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises again what it caught, when it has ended
        signal.signal(number, lambda *_: stop.set())
    keeper = threading.Thread(target=_keep_runner, args=(settings, stop), name="runner-keeper")
    keeper.start()
    try:
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    finally:
        stop.set()
        keeper.join()


def _keep_runner(settings: Settings, stop: threading.Event) -> None:
    """A runner at all times. It ends when its standard input closes, so it never outlives this process."""
    pause = 0.5
    while not stop.is_set():
        began = time.monotonic()
        command = [sys.executable, "-m", "arpent", "work", "--attached", "--executor", settings.executor]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as runner:
            while runner.poll() is None and not stop.wait(0.2):
                pass
            if runner.poll() is None:
                assert runner.stdin is not None
                runner.stdin.close()
                _wait(runner)
                return
        pause = 0.5 if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
        log.error("the runner ended with code %s; starting another in %.1f s", runner.returncode, pause)
        stop.wait(pause)


def _wait(runner: subprocess.Popen[bytes]) -> None:
    """What is in hand is given back within seconds; a runner that hangs is killed, its leases run out."""
    try:
        runner.wait(15)
    except subprocess.TimeoutExpired:
        runner.kill()
