"""Zygote: a small process without threads that has V8 loaded and forks interpreters; the launcher starts it."""

from __future__ import annotations

import os
import signal
import socket
import sys

# Ctrl-C reaches the whole process group, even while this module loads; only the parent decides what ends, and when. The
# launcher blocks the signal until here.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

from py_mini_racer import init_mini_racer  # noqa: E402

from arpent.adapters.scripts.v8.child import live  # noqa: E402
from arpent.adapters.scripts.v8.protocol import Channel, ChannelClosed  # noqa: E402

_FLAGS = (
    "--single-threaded",
    "--max-inlined-bytecode-size=2000",
    "--max-inlined-bytecode-size-cumulative=4000",
    # a harness is one hot loop: compile it early (saves a tenth on the first megapixel, costs nothing later)
    "--invocation-count-for-maglev=50",
    "--invocation-count-for-maglev-osr=20",
    "--invocation-count-for-osr=50",
    "--invocation-count-for-turbofan=500",
)


def main(descriptor: int, memory_mib: int) -> None:
    """Serve the runtime until it closes the channel or dies; all interpreters end with this process."""
    link = socket.socket(fileno=descriptor)
    channel = Channel(link)
    init_mini_racer(flags=(*_FLAGS, f"--max-heap-size={memory_mib + memory_mib // 4}"))
    interpreters: set[int] = set()
    try:
        while True:
            message, descriptor_given = channel.receive_with_descriptor()
            if descriptor_given is not None:
                channel.send({"process": _fork(link, descriptor_given, memory_mib, interpreters)})
            else:
                channel.send({"status": _end(int(str(message["process"])), interpreters)})
    except ChannelClosed:
        pass
    finally:
        for process in tuple(interpreters):
            _end(process, interpreters)


def _fork(link: socket.socket, descriptor: int, memory_mib: int, interpreters: set[int]) -> int:
    zygote = os.getpid()
    process = os.fork()
    if process == 0:
        link.close()
        live(socket.socket(fileno=descriptor), zygote, memory_mib)
    os.close(descriptor)
    interpreters.add(process)
    return process


def _end(process: int, interpreters: set[int]) -> int:
    """Kill and reap one of our interpreters. Returns its exit code (negative: a signal), even if it had died before; 0
    if it is unknown."""
    if process not in interpreters:
        return 0
    interpreters.discard(process)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
