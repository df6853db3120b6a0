"""The compiler's front door: a case to check by hand, the README's example, and no import past it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import arpent.evalscript.compile as front_door
from arpent.evalscript.compile import Unsupported
from arpent.evalscript.layout import Column
from tests.support.assembly import assembled, declared, run

ROOT = Path(__file__).resolve().parents[4]
README = Path(front_door.__file__).with_name("README.md")
BELOW_THE_DOOR = re.compile(r"^\s*(?:from|import) arpent\.evalscript\.compile\.", re.MULTILINE)
BANDS = ("green", "nir")
DIGITAL_NUMBERS = Column(kind="u2", rows=1, scale=(1.0, 0.0), simple=True)
REFLECTANCES = Column(kind="u2", rows=1, scale=(0.5, 0.0), simple=True)


def test_three_samples_by_hand() -> None:
    """Bands (2, 4), (0, 0), (8, 0), stored as twice that and scaled by 0.5."""
    source = """function evaluatePixel(s) {
      if (s.green === 0) return null;
      return { sum: [s.green + s.nir], two: s.nir ? [s.nir, -s.nir] : undefined, dataMask: [s.nir > 0] };
    }"""
    script = declared(source, bands=BANDS, outputs={"sum": 1, "two": 2}, mask_bands=1)
    assembly = assembled(script, REFLECTANCES)
    assert assembly.width == 4
    assert assembly.missing_rows == (None, 4, None, 5, None, None, None), "only `two` may be missing, and all of it"
    columns = [np.array([[4, 0, 16]], np.uint16), np.array([[8, 0, 0]], np.uint16)]
    nan = np.nan
    np.testing.assert_array_equal(
        run(assembly, columns, 6),
        [
            [6, nan, 8],  # sum
            [4, nan, nan],  # two[0]
            [-4, nan, nan],  # two[1]
            [1, nan, 0],  # dataMask
            [0, 0, 1],  # two was missing, where something came back
            [0, 1, 0],  # nothing came back
        ],
    )


def test_the_example_of_the_readme() -> None:
    source, operations = re.findall(r"```\w+\n(.*?)```", README.read_text(), re.DOTALL)[:2]
    text = assembled(declared(source, bands=BANDS, outputs={"default": 2}), DIGITAL_NUMBERS).text
    assert operations in text
    body = text.split("body:")[1].split("%p0")[0]
    arithmetic = [line for line in body.splitlines() if re.match(r"%v\d+ = (?!uitofp)", line)]
    assert arithmetic == operations.splitlines(), "these are all the operations there are"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return [Math.log(s.nir)]", "log of Math"),
        ("return [[1, 2, 3][s.nir]]", "an item whose place depends on the sample"),
        ("return ['a text']", "a text as a number"),
        ("return [Object.keys()]", "undefined as an object"),
        ("return [[1].indexOf()]", None),
    ],
)
def test_what_cannot_be_compiled_is_said(body: str, reason: str | None) -> None:
    script = declared(f"function evaluatePixel(s) {{ {body} }}", bands=BANDS, outputs={"default": 1})
    if reason is None:
        assembled(script, DIGITAL_NUMBERS)
    else:
        with pytest.raises(Unsupported, match=re.escape(reason)):
            assembled(script, DIGITAL_NUMBERS)


def test_the_door_is_narrow() -> None:
    functions = [name for name in front_door.__all__ if inspect.isfunction(getattr(front_door, name))]
    assert len(functions) <= 3
    assert all(inspect.getdoc(getattr(front_door, name)) for name in front_door.__all__)


def test_nobody_climbs_in_elsewhere() -> None:
    """import-linter holds this for the package; here for tests and benchmarks."""
    own = Path(__file__).parent
    files = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    climbing = [path for path in files if BELOW_THE_DOOR.search(path.read_text()) and own not in path.parents]
    assert climbing == []
