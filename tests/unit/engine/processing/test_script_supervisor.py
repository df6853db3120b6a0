"""A script that dies costs only the features that kill it: they are found, in bounded time; the rest is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptSyntaxError, ScriptTimeout
from arpent.domain.evalscript import Evalscript
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import MachineCode, Scene, ScriptAnswer, ScriptInput
from arpent.engine.processing.script_supervisor import LONGEST_PATIENCE, OPENINGS, PATIENCE, ScriptSupervisor

SECONDS = 60.0
FINE, LOOPS, HUNGRY, THROWS, DEAR = range(5)
"""What a sample's value does to the script; DEAR: takes a second."""
SCENES = ((Scene(fields={}),),)
NOTHING = np.zeros(0, np.int64)
CODE = MachineCode(address=0, arguments=NOTHING, steps=NOTHING, rows=slice(0, 0), count=0, most=1, owners=())


@dataclass
class Runtime:
    """Sessions whose time is counted, not spent."""

    seconds: float = SECONDS
    now: float = 0.0
    deaths: list[ScriptError] = field(default_factory=list)
    """What the next calls end with, whatever they are asked."""
    failed_openings: list[ScriptError] = field(default_factory=list)
    opened: int = 0
    calls: list[tuple[int, float | None]] = field(default_factory=list)
    """(segments, seconds given) per call."""
    prepared: list[str] = field(default_factory=list)
    """preProcessScenes and updateOutput, by session."""

    def clock(self) -> float:
        return self.now

    @contextmanager
    def open(self, script: str) -> Iterator[Session]:
        self.opened += 1
        if self.failed_openings:
            raise self.failed_openings.pop()
        yield Session(self, self.opened)


class Session:
    def __init__(self, runtime: Runtime, number: int) -> None:
        self._runtime = runtime
        self._number = number
        self._dead = False
        self.evalscript = Evalscript(source="", inputs=(), outputs=(), mask_bands=1, functions=frozenset())

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        return self._step("preprocess", ((0,),))

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        return self._step("update_output", self.evalscript)

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        return CODE

    def _step(self, name: str, answer: object) -> object:
        if self._runtime.deaths:
            raise self._runtime.deaths.pop()
        self._runtime.prepared.append(f"{name} {self._number}")
        return answer

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        assert not self._dead, "a dead session was used"
        runtime = self._runtime
        allowed = runtime.seconds if seconds is None else seconds
        runtime.calls.append((len(offsets) - 1, seconds))
        (values,) = inputs[0].values
        spent = float(np.sum(values == DEAR))
        if runtime.deaths:
            return self._die(runtime.deaths.pop(), 0.1)
        if LOOPS in values or spent > allowed:
            return self._die(ScriptTimeout(f"longer than {allowed:g} s"), allowed)
        if HUNGRY in values:
            return self._die(ScriptOutOfMemory("too much"), 1.0)
        runtime.now += spent
        failures: Mapping[int, ScriptError] = {
            row: ScriptExecutionError("threw")
            for row in range(len(offsets) - 1)
            if THROWS in values[offsets[row] : offsets[row + 1]]
        }
        return ScriptAnswer(values=values[np.newaxis].astype(float) + 0.5, failures=failures)

    def _die(self, error: ScriptError, seconds: float) -> ScriptAnswer:
        self._dead = True
        self._runtime.now += seconds
        raise error


def evaluate(
    interpreter: ScriptSupervisor, behaviours: Sequence[int], length: int = 3, *, ends: bool = True
) -> ScriptAnswer:
    """Features of so many samples each, all alike; `ends`: the call is the last of its interval."""
    values = np.repeat(np.array(behaviours, np.uint16), length)
    offsets = np.arange(len(behaviours) + 1) * length
    inputs = [ScriptInput(values=(values,), scales=((1.0, 0.0),))]
    answer = interpreter.evaluate(inputs, offsets, np.arange(100, 100 + len(behaviours)))
    for row, behaviour in enumerate(behaviours):
        part = answer.values[0, row * length : (row + 1) * length]
        if row not in answer.failures:
            assert part.tolist() == [behaviour + 0.5] * length
    if ends:
        interpreter.end_interval()
    return answer


@contextmanager
def interpreting(runtime: Runtime) -> Iterator[ScriptSupervisor]:
    with ScriptSupervisor(runtime, "script", runtime.clock) as interpreter:  # type: ignore[arg-type]
        yield interpreter


def crowd(count: int, **odd: int) -> list[int]:
    behaviours = [FINE] * count
    for place, behaviour in odd.items():
        behaviours[int(place[1:])] = behaviour
    return behaviours


def test_a_script_that_behaves_is_called_once() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answer = evaluate(interpreter, crowd(50, _7=THROWS))
    assert list(answer.failures) == [7]
    assert (runtime.opened, runtime.calls) == (1, [(50, SECONDS)])


@pytest.mark.parametrize(("behaviour", "kind"), [(LOOPS, ScriptTimeout), (HUNGRY, ScriptOutOfMemory)])
def test_only_the_culprit_fails(behaviour: int, kind: type[ScriptError]) -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answer = evaluate(interpreter, crowd(1000, _731=behaviour, _12=THROWS))
    assert {row: type(error) for row, error in answer.failures.items()} == {731: kind, 12: ScriptExecutionError}
    assert runtime.now < 3 * SECONDS


def test_a_few_culprits_are_found_in_one_call() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answer = evaluate(interpreter, crowd(1000, _3=LOOPS, _500=LOOPS, _731=HUNGRY))
    assert set(answer.failures) == {3, 500, 731}
    assert runtime.now < (PATIENCE + 1) * SECONDS


def test_a_known_culprit_is_run_apart_and_costs_the_later_intervals_little() -> None:
    runtime = Runtime()
    behaviours = crowd(1000, _731=LOOPS)
    with interpreting(runtime) as interpreter:
        evaluate(interpreter, behaviours)
        first, runtime.calls[:] = runtime.now, []
        for _ in range(30):
            assert set(evaluate(interpreter, behaviours).failures) == {731}
        recovered = evaluate(interpreter, crowd(1000))
    assert runtime.calls[:2] == [(999, SECONDS), (1, pytest.approx(2.0))]
    assert runtime.now - first < 2 * SECONDS
    assert recovered.failures == {}, "in an interval where it does no harm it has its numbers"


def test_a_culprit_of_many_calls_is_tried_in_one_of_them() -> None:
    """A large feature is evaluated in parts, of which one that fails is enough."""
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        first = evaluate(interpreter, [LOOPS], ends=False)
        spent = runtime.now
        later = [evaluate(interpreter, [LOOPS, FINE], ends=False) for _ in range(20)]
        assert runtime.now == spent
        assert all(answer.failures == first.failures for answer in later)
        interpreter.end_interval()
        assert evaluate(interpreter, [FINE]).failures == {}
    assert runtime.opened <= 3


def test_when_all_are_culprits_the_time_is_bounded_and_everybody_is_told() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answers = [evaluate(interpreter, [LOOPS] * 200) for _ in range(70)]
    assert all(len(answer.failures) == 200 for answer in answers)
    assert all(isinstance(error, ScriptTimeout) for answer in answers for error in answer.failures.values())
    assert "not computed" in str(answers[0].failures[0])
    assert runtime.now < (LONGEST_PATIENCE + 4) * SECONDS


def test_when_patience_is_lost_an_interval_without_faults_still_has_its_numbers() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        for _ in range(3):
            evaluate(interpreter, [LOOPS] * 200)
        assert runtime.now > LONGEST_PATIENCE * SECONDS
        runtime.now = 0
        answer = evaluate(interpreter, [LOOPS] * 200)
    assert len(answer.failures) == 200
    assert runtime.now == 0, "nothing was tried any more"


def test_a_slow_script_gets_by_in_parts() -> None:
    """100 features of a second each, and 60 s for a call: no feature is at fault."""
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answer = evaluate(interpreter, [DEAR] * 50, 1)
        assert answer.failures == {}
        slow = evaluate(interpreter, [DEAR] * 20 + [FINE] * 80, 1)
    assert slow.failures == {}


def test_a_dear_feature_may_take_ten_times_its_share() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        answer = evaluate(interpreter, crowd(100, _0=DEAR, _50=LOOPS), 2)
    assert set(answer.failures) == {50}


@pytest.mark.parametrize("count", [1, 40])
def test_a_process_killed_from_outside_costs_nobody(count: int) -> None:
    for death in (ScriptOutOfMemory("killed"), ScriptExecutionError("died"), ScriptTimeout("stopped for a while")):
        runtime = Runtime(deaths=[death])
        with interpreting(runtime) as interpreter:
            assert evaluate(interpreter, crowd(count)).failures == {}


def test_a_new_session_is_brought_to_where_the_old_one_was() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        interpreter.preprocess(SCENES, None)  # type: ignore[arg-type]
        interpreter.update_output(SCENES)
        runtime.deaths = [ScriptOutOfMemory("killed")]
        evaluate(interpreter, crowd(2), ends=False)
        assert runtime.prepared == [f"{name} {number}" for number in (1, 2) for name in ("preprocess", "update_output")]
        runtime.deaths = [ScriptOutOfMemory("killed")]
        evaluate(interpreter, crowd(2), ends=False)
        assert len(runtime.prepared) == 6, "each call of an interval needs it"
        interpreter.end_interval()
        runtime.deaths = [ScriptOutOfMemory("killed")]
        evaluate(interpreter, crowd(2), ends=False)
        assert len(runtime.prepared) == 6, "what the last interval prepared does not concern this one"


def test_a_step_that_dies_is_done_again_and_one_that_throws_says_so() -> None:
    runtime = Runtime(deaths=[ScriptOutOfMemory("killed")])
    with interpreting(runtime) as interpreter:
        assert interpreter.preprocess(SCENES, None) == ((0,),)  # type: ignore[arg-type]
        runtime.deaths = [ScriptExecutionError("threw"), ScriptExecutionError("threw")]
        with pytest.raises(ScriptExecutionError, match="threw"):
            interpreter.update_output(SCENES)
        assert evaluate(interpreter, crowd(3)).failures == {}


def test_opening_is_tried_again_unless_the_script_is_at_fault() -> None:
    runtime = Runtime(failed_openings=[ScriptOutOfMemory("killed")] * (OPENINGS - 1))
    with interpreting(runtime) as interpreter:
        assert evaluate(interpreter, crowd(3)).failures == {}
    for failures in ([ScriptTimeout("x")] * OPENINGS, [ScriptSyntaxError("x")]):
        runtime = Runtime(failed_openings=list(failures))
        with interpreting(runtime) as interpreter, pytest.raises(type(failures[0])):
            _ = interpreter.evalscript
        assert runtime.opened == len(failures)


def test_a_script_that_nobody_opened_before_is_tried_once() -> None:
    runtime = Runtime(failed_openings=[ScriptTimeout("x")] * OPENINGS)
    new = ScriptSupervisor(runtime, "script", runtime.clock, opened_before=False)  # type: ignore[arg-type]
    with new as interpreter, pytest.raises(ScriptTimeout):
        _ = interpreter.evalscript
    assert runtime.opened == 1


def test_machine_code_is_not_used_while_a_feature_is_run_apart() -> None:
    runtime = Runtime()
    with interpreting(runtime) as interpreter:
        assert interpreter.machine_code([]) is CODE
        evaluate(interpreter, crowd(10, _7=LOOPS))
        assert interpreter.machine_code([]) is None


def test_a_script_that_cannot_be_opened_has_no_machine_code() -> None:
    runtime = Runtime(failed_openings=[ScriptTimeout("no time") for _ in range(OPENINGS)])
    with interpreting(runtime) as interpreter:
        assert interpreter.machine_code([]) is None
