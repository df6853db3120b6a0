"""Speed of evalscripts in the script runtime, as a ratio to numba code written by hand.

Run: python benchmarks/evalscript.py [samples]
Scripts: a one band, b NDVI with cloud classes and mask, c a 12-band classifier, d the maximum NDVI of 12 scenes,
e as b, but with its own index(), f the median over scenes with closures. Rounds are interleaved; the best counts.
Columns, as speeds in million samples per second, ratios or ms: V8 end to end, by wall time; V8's process, including
messages, by processor time; numba, by processor time; the ratio of the last two, and the same for V8 alone when it was
chosen; the ratio of V8 end to end to numba; processor time of the first call, in which V8 compiles; the compiled script
end to end, and its ratio to V8 end to end. Linux only: processor times come from /proc.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.ports.scripts import Scene, ScriptInput, ScriptSession

ROUNDS = 9
REPORT = {"a": 0.39, "b": 0.097, "c": 0.091, "d": 0.56, "e": 0.097, "f": 0.22}
"""Script → speed of V8 alone ÷ speed of numba, measured with object literals, as a reference for the runtime."""
SCENES = 12
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
MASK = '{ id: "dataMask", bands: 1 }'
Arrays = tuple[NDArray[np.generic], ...]


def script(bands: tuple[str, ...], pixel: str, mosaicking: str = "SIMPLE") -> str:
    return (
        f'//VERSION=3\nfunction setup() {{ return {{ input: {list(bands)}, mosaicking: "{mosaicking}", '
        f'output: [{{ id: "x", bands: 1 }}, {MASK}] }} }}\nfunction evaluatePixel(s) {{\n{pixel}\n}}'
    )


@njit(cache=True, nogil=True, error_model="numpy")
def hand_a(b04, mask, first, second):
    for i in range(len(b04)):
        first[i] = b04[i] * 0.0001
        second[i] = mask[i]


@njit(cache=True, nogil=True, error_model="numpy")
def hand_b(b04, b08, scl, mask, first, second):
    for i in range(len(b04)):
        red, infrared = b04[i] * 0.0001, b08[i] * 0.0001
        total = infrared + red
        cloudy = scl[i] == 3 or scl[i] == 8 or scl[i] == 9 or scl[i] == 10
        first[i] = 0.0 if total == 0 else (infrared - red) / total
        second[i] = 0.0 if cloudy or total == 0 else mask[i]


@njit(cache=True, nogil=True, error_model="numpy")
def hand_c(d00, d01, d02, d03, d04, d05, d06, d07, d08, d09, d10, d11, mask, first, second):  # noqa: PLR0917
    for i in range(len(mask)):
        b00 = d00[i] * 0.0001
        b01 = d01[i] * 0.0001
        b02 = d02[i] * 0.0001
        b03 = d03[i] * 0.0001
        b04 = d04[i] * 0.0001
        b05 = d05[i] * 0.0001
        b06 = d06[i] * 0.0001
        b07 = d07[i] * 0.0001
        b08 = d08[i] * 0.0001
        b09 = d09[i] * 0.0001
        b10 = d10[i] * 0.0001
        b11 = d11[i] * 0.0001
        ndvi = 0.0 if b07 + b03 == 0 else (b07 - b03) / (b07 + b03)
        ndwi = 0.0 if b02 + b07 == 0 else (b02 - b07) / (b02 + b07)
        ndsi = 0.0 if b02 + b10 == 0 else (b02 - b10) / (b02 + b10)
        bare = (b10 + b03 - b07 - b01) / (b10 + b03 + b07 + b01 + 1e-9)
        label = 0.0
        if ndsi > 0.4 and b02 > 0.2:
            label = 1.0
        elif ndwi > 0.1:
            label = 2.0 if b00 < 0.1 else 3.0
        elif ndvi > 0.6:
            label = 4.0 if b05 > b04 * 1.5 else 5.0
        elif ndvi > 0.3:
            label = 6.0 + (b08 > b07)
        elif bare > 0:
            label = 8.0 if b11 > b10 else 9.0
        elif b09 > 0.1 or b06 > 0.4:
            label = 10.0
        first[i] = label
        second[i] = mask[i]


@njit(cache=True, nogil=True, error_model="numpy")
def hand_d(b04, b08, mask, first, second):
    for i in range(b04.shape[1]):
        best, seen = 0.0, 0.0
        for scene in range(b04.shape[0]):
            red, infrared = b04[scene, i] * 0.0001, b08[scene, i] * 0.0001
            if mask[scene, i] == 1 and red + infrared != 0:
                seen = 1.0
                ndvi = (infrared - red) / (infrared + red)
                best = max(best, ndvi)
        first[i] = best
        second[i] = seen


@njit(cache=True, nogil=True, error_model="numpy")
def hand_f(b04, b08, mask, first, second):
    found = np.empty(b04.shape[0])
    for i in range(b04.shape[1]):
        count = 0
        for scene in range(b04.shape[0]):
            red, infrared = b04[scene, i] * 0.0001, b08[scene, i] * 0.0001
            if mask[scene, i] == 1 and red + infrared != 0:
                value, place = (infrared - red) / (infrared + red), count
                while place > 0 and found[place - 1] > value:
                    found[place] = found[place - 1]
                    place -= 1
                found[place] = value
                count += 1
        first[i] = found[count // 2] if count else 0.0
        second[i] = count > 0


NDVI = "const n = s.B08 + s.B04 === 0 ? 0 : (s.B08 - s.B04) / (s.B08 + s.B04);"
CLEAR = "const c = s.SCL === 3 || s.SCL === 8 || s.SCL === 9 || s.SCL === 10 || s.B08 + s.B04 === 0 ? 0 : s.dataMask;"
CLASSES = """
const ndvi = index(s.B08, s.B04), ndwi = index(s.B03, s.B08), ndsi = index(s.B03, s.B11);
const bare = (s.B11 + s.B04 - s.B08 - s.B02) / (s.B11 + s.B04 + s.B08 + s.B02 + 1e-9);
let label = 0;
if (ndsi > 0.4 && s.B03 > 0.2) label = 1;
else if (ndwi > 0.1) label = s.B01 < 0.1 ? 2 : 3;
else if (ndvi > 0.6) label = s.B06 > s.B05 * 1.5 ? 4 : 5;
else if (ndvi > 0.3) label = 6 + (s.B8A > s.B08 ? 1 : 0);
else if (bare > 0) label = s.B12 > s.B11 ? 8 : 9;
else if (s.B09 > 0.1 || s.B07 > 0.4) label = 10;
return { x: [label], dataMask: [s.dataMask] }"""
MAXIMUM = """
let max = 0, seen = 0;
for (let i = 0; i < s.length; i++) {
  if (s[i].dataMask == 1 && s[i].B04 + s[i].B08 != 0) {
    seen = 1;
    const n = (s[i].B08 - s[i].B04) / (s[i].B08 + s[i].B04);
    max = n > max ? n : max;
  }
}
return { x: [max], dataMask: [seen] }"""
MEDIAN = """
const v = s.filter(o => o.dataMask == 1 && o.B04 + o.B08 != 0)
  .map(o => (o.B08 - o.B04) / (o.B08 + o.B04)).sort((p, q) => p - q);
return { x: [v.length ? v[Math.floor(v.length / 2)] : 0], dataMask: [v.length > 0] }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    source: str
    bands: Arrays
    hand: Callable[[NDArray[np.float64]], None]


def cases(count: int) -> list[Case]:
    random = np.random.default_rng(0)
    dn = random.integers(0, 6000, (12, count)).astype(np.uint16)
    scl = random.integers(0, 12, count).astype(np.uint8)
    mask = random.integers(0, 2, count).astype(np.uint8)
    some = count // 5
    red, infrared = (random.integers(0, 6000, (SCENES, some)).astype(np.uint16) for _ in range(2))
    masks = random.integers(0, 2, (SCENES, some)).astype(np.uint8)
    two, many = ("B04", "B08", "SCL", "dataMask"), ("B04", "B08", "dataMask")
    orbit = "ORBIT"
    rb = (dn[3], dn[7], scl, mask)
    return [
        Case(name="a one band", source=script(("B04", "dataMask"), "return { x: [s.B04], dataMask: [s.dataMask] }"),
             bands=(dn[3], mask), hand=lambda out: hand_a(dn[3], mask, *out)),
        Case(name="b NDVI + SCL + mask", source=script(two, f"{NDVI} {CLEAR} return {{ x: [n], dataMask: [c] }}"),
             bands=rb, hand=lambda out: hand_b(*rb, *out)),
        Case(name="e as b, own index()",
             source=script(two, f"const n = index(s.B08, s.B04); {CLEAR} return {{ x: [n], dataMask: [c] }}")
             + "\nfunction index(x, y) { return x + y === 0 ? 0 : (x - y) / (x + y) }",
             bands=rb, hand=lambda out: hand_b(*rb, *out)),
        Case(name="c 12-band classifier", source=script((*BANDS, "dataMask"), CLASSES),
             bands=(*dn, mask), hand=lambda out: hand_c(*dn, mask, *out)),
        Case(name="d maximum of 12 scenes", source=script(many, MAXIMUM, orbit), bands=(red, infrared, masks),
             hand=lambda out: hand_d(red, infrared, masks, *out)),
        Case(name="f median of 12 scenes", source=script(many, MEDIAN, orbit), bands=(red, infrared, masks),
             hand=lambda out: hand_f(red, infrared, masks, *out)),
    ]  # fmt: skip


def scaled(case: Case) -> ScriptInput:
    scales = tuple((0.0001, 0.0) if band.dtype == np.uint16 else (1.0, 0.0) for band in case.bands)
    scenes = (
        tuple(Scene(fields={"dateFrom": "2020-06-01T00:00:00Z"}) for _ in case.bands[0])
        if case.bands[0].ndim > 1
        else ()
    )
    return ScriptInput(values=case.bands, scales=scales, scenes=scenes)


def timed(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    action()
    return clock() - start


def processor_of(process: int) -> Callable[[], float]:
    """A clock that gives the processor seconds of a V8 process; other work on the machine does not affect it."""

    def clock() -> float:
        threads = Path(f"/proc/{process}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    return clock


def measure(case: Case, session: ScriptSession, compiled: ScriptSession) -> None:
    count = case.bands[0].shape[-1]
    given, offsets = scaled(case), np.linspace(0, count, 201).astype(np.int64)
    out = np.empty((2, count))
    case.hand(out)
    inside = processor_of(session._client._newborn.process)  # type: ignore[attr-defined]
    first = timed(lambda: session.evaluate([given], offsets), inside)
    np.testing.assert_array_equal(session.evaluate([given], offsets).values, out)
    np.testing.assert_array_equal(compiled.evaluate([given], offsets).values, out)
    whole, script, hand, machine = [], [], [], []
    for _ in range(ROUNDS):
        began = inside()
        whole.append(timed(lambda: session.evaluate([given], offsets)))
        script.append(inside() - began)
        hand.append(timed(lambda: case.hand(out), time.thread_time))
        machine.append(timed(lambda: compiled.evaluate([given], offsets)))
    end_to_end, in_script, by_hand = (count / min(seconds) / 1e6 for seconds in (whole, script, hand))
    in_machine = count / min(machine) / 1e6
    literal = REPORT[case.name[0]]
    print(
        f"{case.name:24} {end_to_end:9.1f} {in_script:9.1f} {by_hand:9.1f} {in_script / by_hand:8.3f} {literal:8} "
        f"{end_to_end / by_hand:8.3f} {first * 1e3:8.0f} {in_machine:9.1f} {in_machine / end_to_end:6.1f}"
    )


def main(count: int) -> None:
    print(f"{count} samples, a fifth of them for d and f; Mpx/s")
    heads = f"{'whole':>9} {'script':>9} {'numba':>9} {'ratio':>8} {'literal':>8} {'whole':>8} {'first ms':>8}"
    heads += f" {'compiled':>9} {'times':>6}"
    print(f"{'script':24} {heads}")
    with V8Runtime(120, 512) as runtime:
        compiling = CompiledRuntime(runtime, least=0)
        for case in cases(count):
            with runtime.open(case.source) as session, compiling.open(case.source) as compiled:
                measure(case, session, compiled)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
