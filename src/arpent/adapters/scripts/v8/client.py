"""Client: calls an interpreter process, enforces the deadline from outside, and returns values or raises errors."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping

from arpent.adapters.scripts.v8.launcher import ChildProcess
from arpent.adapters.scripts.v8.protocol import ChannelClosed, Message
from arpent.domain.boundary.text import cleaned
from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptSetupError, ScriptTimeout
from arpent.evalscript.program import Thrown, engine, line_offset, parsing, program, script_error, syntax_error

_GRACE = 1.0
_LEAST = 0.001
_OUT_OF_MEMORY = {-signal.SIGTRAP, -signal.SIGILL, -signal.SIGABRT, -signal.SIGKILL, -signal.SIGBUS, 133}
"""Exit codes of a process that V8 or the kernel ended because memory ran out (negative: a signal; 133: SIGTRAP)."""
_OUT_OF_TIME = {-signal.SIGXCPU}


class InterpreterClient:
    """Calls to one interpreter. Any method may raise ScriptTimeout or ScriptOutOfMemory; afterwards the
    interpreter is dead."""

    def __init__(
        self, child: ChildProcess, end: Callable[[ChildProcess], int], seconds: float, memory_mib: int
    ) -> None:
        self._child = child
        self._end = end
        self._seconds = seconds
        self._memory_mib = memory_mib
        self._alive = True
        self._until: float = 0
        self._allowed = seconds
        self._offset = line_offset()
        self._lines = 0
        self.start_clock()

    def start_clock(self, seconds: float | None = None) -> None:
        """Start the time limit: the full time of a call, or less."""
        self._allowed = self._seconds if seconds is None else min(seconds, self._seconds)
        self._until = time.monotonic() + self._allowed

    def close(self) -> None:
        """End the interpreter."""
        if self._alive:
            self._alive = False
            self._end(self._child)

    def load(self, source: str) -> object:
        """Names of the functions that a script defines. Raises ScriptSyntaxError, ScriptSetupError."""
        self._lines = source.count("\n") + 1
        question = {
            "engine": engine(),
            "source": source,
            "parsing": parsing(source),
            "program": program(source),
        }
        answer = self._exchange({**question, "action": "load"}, None)
        if "report" in answer:
            match self._parsed({"answer": answer.get("checked")}):
                case {"fault": [str() as message, str(), str()]}:
                    raise syntax_error(source, str(answer["report"]), message)
        return self.value(self._parsed(answer), ScriptSetupError)

    def action(self, name: str, question: Mapping[str, object], descriptor: int | None = None) -> Message:
        """The parsed answer of an interpreter's action. A call outside of an evaluation gets the full time limit."""
        if name == "call" and question["function"] not in ("begin", "finish"):
            self.start_clock()
        return self._parsed(self._exchange({**question, "action": name}, descriptor))

    def value(self, answer: Message, kind: type[ScriptError]) -> object:
        """The return value of an engine function. Raises `kind` if the script threw."""
        match answer:
            case {"value": value}:
                return value
            case {"fault": [str() as message, str() as stack, str() as error_class]}:
                raise self.error(kind, Thrown(message=message, stack=stack, error_class=error_class))
        raise ScriptExecutionError("the interpreter gave an invalid answer")

    def error(self, kind: type[ScriptError], thrown: Thrown) -> ScriptError:
        """What the script threw as an error, with its position in the user's text."""
        return script_error(kind, thrown, offset=self._offset, lines=self._lines)

    def _parsed(self, answer: Message) -> Message:
        text = answer.get("answer")
        if not isinstance(text, str):
            return {"value": text, "log": []}
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            return cleaned(parsed)
        raise ScriptExecutionError("the interpreter gave an invalid answer")

    def _exchange(self, message: Mapping[str, object], descriptor: int | None) -> Message:
        if not self._alive:
            raise ScriptExecutionError("the interpreter of this script has ended")
        seconds = max(_LEAST, self._until - time.monotonic())
        channel = self._child.channel
        try:
            asked = {**message, "seconds": seconds}
            channel.send(asked, () if descriptor is None else (descriptor,), seconds + _GRACE)
            answer = cleaned(channel.receive(seconds + _GRACE))
        except TimeoutError:
            raise self._over("time") from None
        except (ChannelClosed, ValueError, RecursionError):
            raise self._over(None) from None
        if "end" in answer:
            raise self._over(str(answer["end"]), str(answer.get("message", "")))
        return answer

    def _over(self, end: str | None, message: str = "") -> ScriptError:
        """End the interpreter; returns the reason as an error."""
        self._alive = False
        status = self._end(self._child)
        if end == "time" or (end is None and status in _OUT_OF_TIME):
            return ScriptTimeout(f"the script ran longer than {self._allowed:.3g} s; it must do less per sample")
        if end == "memory" or (end is None and status in _OUT_OF_MEMORY):
            return ScriptOutOfMemory(f"the script needed more than the allowed {self._memory_mib} MiB of memory")
        return ScriptExecutionError(message or "the interpreter of this script died")
