"""A script run the plain way: V8, one sample after another, everything as JSON; and the comparison with the runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from py_mini_racer import MiniRacer

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.errors import ScriptError, ScriptSetupError, ScriptSyntaxError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import Scene, ScriptAnswer, ScriptInput, ScriptSession
from arpent.evalscript.scenes import scene_fields, source_keys

SAMPLES, SCENES = 120, 5
MONTH = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
CLASSES = ("SCL", "CLM", "CLD", "CLP", "snowCloudProbability", "QA_PIXEL", "BQA", "BQA_PIXEL")
INTERNAL = ("interpreter", "nonsense", "harness")
"""Words of messages that are about us, not about the script."""
Arrays = list[list[NDArray[np.float64]]]

LOOP = """
;(function () {
  const [names, keys, kinds, outputs, images, scenesGiven, inputs, count] = JSON.parse(GIVEN);
  const coded = (v, absent) => v === undefined || v === null ? absent
    : typeof v === 'object' || typeof v === 'function' || typeof v === 'bigint' || typeof v === 'symbol'
      ? (() => { throw new TypeError('not a number') })() : String(Number(v));
  const scene = (kind, fields) => {
    if (kind === null) return {};
    const dated = fields.map((f) => ({ ...f, date: new Date(f.date === undefined ? f.dateFrom : f.date) }));
    return Object.assign(dated, { [kind]: fields });
  };
  const fusion = names.length > 1;
  let scenes = scene(kinds[0], scenesGiven[0]);
  if (fusion) {
    scenes = {};
    keys.forEach((k, n) => { scenes[k] = scene(kinds[n], scenesGiven[n]); scenes[k].scenes = scenes[k]; });
  }
  const factors = { serviceVersion: 'x', normalizationFactor: 0.0001 };
  if (fusion) for (const k of keys) factors[k] = { normalizationFactor: 0.0001 };
  const custom = {}, told = {}, rows = [];
  for (let i = 0; i < count; i++) {
    const parts = names.map((bands, n) => {
      const all = inputs[n].map((arrays) => Object.fromEntries(bands.map((b, k) => [b, arrays[k][i]])));
      return kinds[n] === null && !fusion ? all[0] : all;
    });
    const samples = fusion ? Object.fromEntries(keys.map((k, n) => [k, parts[n]])) : parts[0];
    try {
      const r = evaluatePixel(samples, scenes, factors, custom, told), row = [];
      const lone = typeof r !== 'object' && r !== undefined;
      if (typeof r === 'function' || (lone && images !== 1)) throw new TypeError('what');
      outputs.forEach(([id, bands, whole], n) => {
        let v = r === undefined || r === null ? undefined : typeof r === 'object' ? r[id] : undefined;
        if (v === undefined && r !== undefined && r !== null && images === 1 && n === 0
            && (typeof r !== 'object' || Array.isArray(r))) v = r;
        const absent = whole && v !== undefined && v !== null ? '0' : 'NaN';
        if (v === undefined || v === null) v = []; else if (typeof v !== 'object') v = [v];
        for (let b = 0; b < bands; b++) row.push(coded(v[b], absent));
      });
      rows.push(row);
    } catch (error) { rows.push(null); }
  }
  return JSON.stringify(rows);
})()
"""


class Verdict(StrEnum):
    """What came of one script."""

    EQUAL = "equal to plain V8"
    THROWS = "throws for every sample, as in plain V8"
    REFUSED = "refused: the script's own fault"
    DIFFERENT = "different from plain V8"
    INTERNAL = "internal error"


def compare(runtime: V8Runtime, source: str) -> tuple[Verdict, str]:
    """Run a script both ways on random numbers, zeros and negatives among them; the verdict, and why."""
    try:
        with runtime.open(source) as session:
            return _compared(session, source)
    except ScriptError as error:
        own = isinstance(error, ScriptSyntaxError | ScriptSetupError) or not any(w in str(error) for w in INTERNAL)
        return (Verdict.REFUSED if own else Verdict.INTERNAL), f"{type(error).__name__}: {error}"
    except Exception as error:
        return Verdict.INTERNAL, f"{type(error).__name__}: {error}"


def _compared(session: ScriptSession, source: str) -> tuple[Verdict, str]:
    scenes = [() if entry.mosaicking is Mosaicking.SIMPLE else _scenes() for entry in session.evalscript.inputs]
    kept = session.preprocess(scenes, MONTH)
    scenes = [tuple(group[row] for row in rows) for group, rows in zip(scenes, kept, strict=True)]
    evalscript = session.update_output(scenes)
    arrays = _numbers(evalscript, [len(group) for group in scenes])
    answer = session.evaluate(_inputs(evalscript, arrays, scenes), np.arange(SAMPLES + 1))
    plain = _plain(source, evalscript, arrays, scenes)
    thrown = {place for place, row in enumerate(plain) if row is None}
    if thrown != set(answer.failures):
        place = min(thrown ^ set(answer.failures))
        return Verdict.DIFFERENT, f"sample {place}: here {answer.failures.get(place)}, plain {plain[place]}"
    if len(thrown) == SAMPLES:
        return Verdict.THROWS, str(answer.failures[0])
    return _same(answer, plain)


def _same(answer: ScriptAnswer, plain: Sequence[list[str] | None]) -> tuple[Verdict, str]:
    for place, row in enumerate(plain):
        if row is not None:
            expected = np.array([float(value.replace("Infinity", "inf")) for value in row])
            if not np.array_equal(expected, answer.values[:, place], equal_nan=True):
                return Verdict.DIFFERENT, f"sample {place}: here {answer.values[:, place]}, plain {expected}"
    return Verdict.EQUAL, ""


def _scenes() -> tuple[Scene, ...]:
    days = [f"2020-06-{day:02}" for day in range(28, 28 - 5 * SCENES, -5)]
    return tuple(
        Scene(
            fields={
                "date": f"{day}T10:08:08Z",
                "dateFrom": f"{day}T00:00:00Z",
                "dateTo": f"{day}T23:59:59Z",
                "cloudCoverage": 12.5,
                "dataPath": "s3://a/T0130",
                "tiles": [{"date": f"{day}T10:08:08Z", "shId": 7, "cloudCoverage": 12.5, "dataPath": "s3://a/b"}],
            }
        )
        for day in days
    )


def _numbers(evalscript: Evalscript, counts: Sequence[int]) -> Arrays:
    """Per input and band: (scenes, SAMPLES), one row for SIMPLE."""
    random = np.random.default_rng(0)
    return [
        [_band(random, name, count if entry.mosaicking is not Mosaicking.SIMPLE else 1) for name in entry.bands]
        for entry, count in zip(evalscript.inputs, counts, strict=True)
    ]


def _band(random: np.random.Generator, name: str, rows: int) -> NDArray[np.float64]:
    shape = (rows, SAMPLES)
    if name == DATA_MASK:
        return (random.random(shape) > 0.2).astype(np.float64)
    if name in CLASSES:
        return random.integers(0, 12, shape).astype(np.float64)
    values = random.normal(0.25, 0.25, shape)
    values[random.random(shape) < 0.2] = 0.0
    return np.ascontiguousarray(values)


def _inputs(evalscript: Evalscript, arrays: Arrays, scenes: Sequence[tuple[Scene, ...]]) -> list[ScriptInput]:
    return [
        ScriptInput(
            values=tuple(array[0] if entry.mosaicking is Mosaicking.SIMPLE else array for array in bands),
            scales=((1.0, 0.0),) * len(bands),
            scenes=group,
        )
        for entry, bands, group in zip(evalscript.inputs, arrays, scenes, strict=True)
    ]


def _plain(
    source: str, evalscript: Evalscript, arrays: Arrays, scenes: Sequence[tuple[Scene, ...]]
) -> list[list[str] | None]:
    told = scene_fields(evalscript, scenes)
    masks = [(DATA_MASK, evalscript.mask_bands, False)] if evalscript.mask_bands else []
    question: list[Any] = [
        [entry.bands for entry in evalscript.inputs],
        source_keys(evalscript),
        [kind for _, kind, _ in told],
        [(output.id, len(output.bands), output.sample_type.integer) for output in evalscript.outputs] + masks,
        len(evalscript.outputs),
        [fields for _, _, fields in told],
        [[[band[row].tolist() for band in bands] for row in range(len(bands[0]))] for bands in arrays],
        SAMPLES,
    ]
    prelude = resources.files("arpent.evalscript").joinpath("prelude.js").read_text(encoding="utf-8")
    enums = "".join(
        f"var {name} = {json.dumps(dict.fromkeys(words.split(), 0) | {w: w for w in words.split()})};"
        for name, words in (
            ("SampleType", "INT8 UINT8 INT16 UINT16 FLOAT32 AUTO"),
            ("Mosaicking", "SIMPLE ORBIT TILE"),
        )
    )
    head = f"{enums}\nvar console = {{ log() {{}}, info() {{}}, warn() {{}}, error() {{}} }};\n{prelude}\n"
    body = f"{source}\nsetup();\nreturn {LOOP.strip().lstrip(';')};"
    text = f"(function () {{ {head} return (function () {{ {body} }})(); }})()"
    with MiniRacer() as v8:
        return json.loads(str(v8.eval(text.replace("JSON.parse(GIVEN)", json.dumps(question)), timeout_sec=30)))
