"""Child: the disposable, sandboxed process that one script runs in; forked from the zygote."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import py_mini_racer

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from arpent.adapters.scripts.v8.mapping import MappedBuffer
from arpent.adapters.scripts.v8.protocol import Channel, ChannelClosed, Message

_MEBIBYTE = 1 << 20
_SPARE_MEBIBYTES = 192
_DESCRIPTORS = 64
_PARENT_DEATH_SIGNAL = 1
_CAPABILITY_VERSION = 0x20080522
_FUNCTIONS = (
    "check", "load", "setup", "preprocess", "filter", "updateOutput", "allocate", "anchor", "attach", "begin", "run",
    "finish",
)  # fmt: skip


def live(link: socket.socket, zygote: int, memory_mib: int) -> None:
    """Serve one runtime until it closes the link; never returns."""
    try:
        _tie_to(zygote)
        _forget_descriptors(link.fileno())
        _drop_capabilities()
        interpreter = py_mini_racer.MiniRacer()
        interpreter.set_hard_memory_limit(memory_mib * _MEBIBYTE)
        _limit(memory_mib)
        greeting = {"engine": interpreter.v8_version, "obstacle": v8_seccomp.confine()}
        _serve(Channel(link), Interpreter(interpreter), greeting)
    finally:
        os._exit(0)


def _tie_to(zygote: int) -> None:
    """Make this process die with the zygote."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(0)


def _forget_descriptors(kept: int) -> None:
    """Close every descriptor but the link; what V8 prints when it dies is discarded."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, 1024)


def _drop_capabilities() -> None:
    """Drop root's rights over limits and memory, if the server runs as root; later threads inherit this."""
    if sys.platform == "linux":
        header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
        ctypes.CDLL(None).capset(header, none)


def _limit(memory_mib: int) -> None:
    """Set limits in addition to V8's own: ArrayBuffers lie outside its heap, and only RLIMIT_DATA limits them."""
    data = _data_bytes() + (memory_mib + _SPARE_MEBIBYTES) * _MEBIBYTE
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, _DESCRIPTORS)]
    if sys.platform == "linux":
        limits += [(resource.RLIMIT_DATA, data), (resource.RLIMIT_NPROC, 0)]
    for which, value in limits:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (value, value))


def _data_bytes() -> int:
    """Bytes of private writable memory in use."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 512 * _MEBIBYTE


class Interpreter:
    """V8 with arpent's engine in it. load, call, buffer, attach and run answer requests, in plain JSON."""

    def __init__(self, interpreter: py_mini_racer.MiniRacer) -> None:
        self._v8 = interpreter
        self._post: Any = None
        self._functions: dict[str, Any] = {}
        self._buffer: MappedBuffer | None = None

    def out_of_memory(self) -> bool:
        """Whether V8's heap has reached its limit."""
        return bool(self._v8.was_hard_memory_limit_reached())

    def load(self, message: Message, seconds: float, _descriptor: int | None) -> Message:
        """Load a script from engine, source, parsing and program: check its syntax, then list its functions."""
        engine: Any = self._v8.eval(str(message["engine"]), timeout_sec=seconds)
        self._post = engine["post"]
        self._functions = {name: engine[name] for name in _FUNCTIONS}
        checked = self._ask("check", seconds, message["source"])
        if "fault" in json.loads(checked):
            return {"checked": checked, "report": self._parse_report(str(message["parsing"]), seconds)}
        program = self._v8.eval(str(message["program"]), timeout_sec=seconds)
        return {"answer": self._ask("load", seconds, program)}

    def _ask(self, function: str, seconds: float, first: object = None, second: object = None) -> Any:
        self._post["first"] = first
        if second is not None:  # every access is a round trip through V8's own thread
            self._post["second"] = second
        return self._functions[function](timeout_sec=seconds)

    def _parse_report(self, text: str, seconds: float) -> str:
        try:
            self._v8.eval(text, timeout_sec=seconds)
        except py_mini_racer.JSParseException as error:
            return str(error)[:4000]
        except py_mini_racer.JSEvalException:
            pass
        return ""

    def call(self, message: Message, seconds: float, _descriptor: int | None) -> Message:
        """Call one of the engine's functions, with a text or without an argument."""
        return {"answer": self._ask(str(message["function"]), seconds, message.get("question"))}

    def buffer(self, message: Message, seconds: float, descriptor: int | None) -> Message:
        """Map shared memory for samples and values; harnesses attached to an earlier buffer must not be used again."""
        assert descriptor is not None
        size = int(str(message["size"]))
        if self._buffer is not None:
            self._buffer.leave()
            self._v8.low_memory_notification()
        room = self._ask("allocate", seconds, size + mmap.PAGESIZE)
        self._buffer = MappedBuffer(room, descriptor, size)
        os.close(descriptor)
        self._ask("anchor", seconds, self._buffer.start)
        return {}

    def attach(self, message: Message, seconds: float, _descriptor: int | None) -> Message:
        """Store a harness under a number, replacing an earlier one."""
        build = self._v8.eval(str(message["harness"]), timeout_sec=seconds)
        self._ask("attach", seconds, message["number"], build)
        return {}

    def run(self, message: Message, seconds: float, _descriptor: int | None) -> Message:
        """Run a harness over the buffer's content; `into` and `out` are the byte ranges of its inputs and outputs."""
        into, out = message["into"], message["out"]
        assert isinstance(into, list)
        assert isinstance(out, list)
        assert self._buffer is not None
        self._buffer.take(into)
        answer = self._ask("run", seconds, message["call"])
        self._buffer.give(out)
        return {"answer": answer}


def _serve(channel: Channel, interpreter: Interpreter, greeting: Message) -> None:
    actions = {name: getattr(interpreter, name) for name in ("load", "call", "buffer", "attach", "run")}
    channel.send(greeting)
    while True:
        try:
            message, descriptor = channel.receive_with_descriptor()
        except ChannelClosed:
            return
        seconds = float(str(message["seconds"]))
        _limit_processor(seconds)
        answer = _answer(actions[str(message["action"])], message, seconds, descriptor)
        channel.send({"end": "memory"} if "end" in answer and interpreter.out_of_memory() else answer)


def _answer(
    action: Callable[[Message, float, int | None], Message], message: Message, seconds: float, descriptor: int | None
) -> Message:
    try:
        return action(message, seconds, descriptor)
    except py_mini_racer.JSTimeoutException:
        return {"end": "time"}
    except py_mini_racer.JSOOMException:
        return {"end": "memory"}
    except (py_mini_racer.JSEvalException, AttributeError, TypeError) as error:
        return {"end": "fault", "message": str(error)[:1000]}


def _limit_processor(seconds: float) -> None:
    """Limit the processor time of this call, so loosely that the parent's deadline comes first."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + 2 * seconds) + 10, resource.RLIM_INFINITY))
