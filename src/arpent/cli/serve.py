"""`arpent serve`: the HTTP API in this process and a runner in another, so that processing never slows answers."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import uvicorn

from arpent import worker
from arpent.cli.guard import check_target, stop_on_signals
from arpent.domain.boundary.trace import trace_fields
from arpent.domain.errors import InvalidSetting
from arpent.logs import configure, open_audit_log
from arpent.server.middleware import ErrorBodyProtocol
from arpent.settings import Settings
from arpent.wiring import server

log = logging.getLogger("arpent.cli.serve")
LONGEST_PAUSE = 30.0
"""Maximum seconds between two starts of a runner that keeps dying."""

MOST_FILES, MOST_WAITING = 65_536, 2_048
"""Maximum number of open files that is useful, and of connections that wait to be accepted."""
GRACE_SECONDS = 10
"""Seconds that running requests have to finish when the server shuts down."""
KEPT_SECONDS = 75
"""Seconds that an idle connection is kept: longer than clients wait between two status requests. A request that arrives
while its connection is being closed fails, and clients do not send it again."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises InvalidSetting or InvalidRequest, and WorldError if it cannot start."""
    configure(settings.log_format, trace_fields)
    check_target(settings.audit_log, "ARPENT_AUDIT_LOG")
    open_audit_log(settings.audit_log, trace_fields)
    worker.check_places(settings)
    check_listening(settings.host, settings.port)
    application = server.application(settings)
    stop = stop_on_signals()  # when uvicorn has ended, it raises again the signals that it caught
    if stop.is_set():
        raise KeyboardInterrupt
    keeper = threading.Thread(target=_keep_runner, args=(settings, stop), name="runner-keeper")
    keeper.start()
    files = all_files()
    ErrorBodyProtocol.most = min(ErrorBodyProtocol.most, files // 2)
    try:
        uvicorn.run(
            application,
            backlog=max(1, min(MOST_WAITING, files // 8)),
            host=settings.host,
            port=settings.port,
            http=ErrorBodyProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEPT_SECONDS,
        )
    finally:
        stop.set()
        keeper.join()


def all_files() -> int:
    """Raise this process's limit of open files as far as allowed; returns the limit. Half of it is for connections, an
    eighth for those accepted at once: without a free file, no further connection is accepted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return soft
    return most


def check_listening(host: str, port: int) -> None:
    """Check that a server can listen there, before anything is started. Raises InvalidSetting."""
    refusals: list[OSError | UnicodeError] = []
    try:
        found = set(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
    except (OSError, UnicodeError) as error:
        found, refusals = set(), [error]
    for family, _, _, _, address in found:
        try:
            socket.create_server(address[:2], family=family).close()
        except OSError as error:
            refusals.append(error)
    # An address that this machine lacks, such as ::1 for localhost, is ignored if another one works.
    grave = [error for error in refusals if getattr(error, "errno", None) != errno.EADDRNOTAVAIL]
    if grave or len(refusals) >= max(1, len(found)):
        first = (grave or refusals)[0]
        number = getattr(first, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else getattr(first, "strerror", first)
        raise InvalidSetting(
            f"Nothing can listen at ARPENT_HOST {host}, ARPENT_PORT {port}: {reason}; name an address of this machine "
            "and a free port (0 takes any)"
        )


def _keep_runner(settings: Settings, stop: threading.Event) -> None:
    """Restart the runner whenever it ends. It ends when its standard input closes, so never outlives this process."""
    pause = 0.5
    while not stop.is_set():
        began = time.monotonic()
        try:
            ended = _run(settings, stop)
        except OSError as error:  # no memory or processes: it may pass, and without a runner no job advances
            ended = f"it cannot be started: {error}"
        if ended is None:
            return
        pause = 0.5 if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
        log.error("the runner has ended (%s); starting another in %.1f s", ended, pause)
        stop.wait(pause)


def _run(settings: Settings, stop: threading.Event) -> str | None:
    """Start a runner and wait for it to end; returns how it ended, or None after `stop`. Raises OSError if no process
    can be started."""
    command = [sys.executable, "-m", "arpent", "work", "--attached", "--executor", settings.executor]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as runner:
        while runner.poll() is None and not stop.wait(0.2):
            pass
        if runner.poll() is not None:
            return f"code {runner.returncode}"
        assert runner.stdin is not None
        runner.stdin.close()
        _wait(runner)
        return None


def _wait(runner: subprocess.Popen[bytes]) -> None:
    """Wait until the runner has returned its work, which takes seconds. A runner that hangs is killed; its leases
    expire."""
    try:
        runner.wait(15)
    except subprocess.TimeoutExpired:
        runner.kill()
