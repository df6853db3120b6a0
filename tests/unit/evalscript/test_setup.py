"""Every form of setup() that sentinelhub.md 5.1 knows, and a helpful message for every other."""

from __future__ import annotations

import pytest

from arpent.domain.errors import ScriptExecutionError, ScriptSetupError
from arpent.domain.evalscript import Evalscript, Input, Mosaicking, SampleType
from arpent.evalscript.outputs import counted, declared
from arpent.evalscript.setup import check_version, read_setup

PIXEL = frozenset({"setup", "evaluatePixel"})
MASK = {"id": "dataMask", "bands": 1}


def understood(
    given: object = ("B04", "dataMask"), output: object = ({"id": "x", "bands": 1}, MASK), **more: object
) -> Evalscript:
    given = list(given) if isinstance(given, tuple) else given
    output = list(output) if isinstance(output, tuple) else output
    return read_setup("//VERSION=3", {"input": given, "output": output, **more}, PIXEL)


@pytest.mark.parametrize(
    "source", ["//VERSION=3", "\n \n//VERSION=3", "// VERSION = 3 (converted)\nx", "// mine\n//VERSION=3"]
)
def test_version(source: str) -> None:
    check_version(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "must be //VERSION=3"),
        ("return [B04]", "must be"),
        ("x\n//VERSION=3", "must be"),
        ("//VERSION=2", "declares version 2"),
    ],
)
def test_no_version(source: str, message: str) -> None:
    with pytest.raises(ScriptSetupError, match=message):
        check_version(source)


class TestInput:
    def test_names_only(self) -> None:
        assert understood(("B04", "dataMask")).inputs == (
            Input(datasource=None, bands=("B04", "dataMask"), units=(None, None), mosaicking=Mosaicking.SIMPLE),
        )

    @pytest.mark.parametrize(
        "given",
        [{"bands": ["B04"], "units": "dn"}, ({"bands": ["B04"], "units": ["DN"]},), ({"bands": "B04", "units": "DN"},)],
    )
    def test_an_object_or_a_list_of_one(self, given: object) -> None:
        assert understood(given).inputs == (
            Input(datasource=None, bands=("B04",), units=("DN",), mosaicking=Mosaicking.SIMPLE),
        )

    def test_own_mosaicking_wins(self) -> None:
        given = ({"datasource": "a", "bands": ["B04"], "mosaicking": "TILE"}, {"bands": ["VV"], "metadata": ["bounds"]})
        first, second = understood(given, mosaicking="ORBIT").inputs
        assert (first.datasource, first.mosaicking) == ("a", Mosaicking.TILE)
        assert (second.datasource, second.mosaicking, second.metadata) == (None, Mosaicking.ORBIT, ("bounds",))

    def test_units_per_band(self) -> None:
        given = {"bands": ["B02", "B08", "SCL"], "units": ["reflectance", "DN", None]}
        assert understood(given).inputs[0].units == ("REFLECTANCE", "DN", None)

    def test_a_band_twice_is_read_once(self) -> None:
        assert understood(("B04", "B04")).inputs[0].bands == ("B04",)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (None, "must list bands"),
            ((), "must list bands"),
            (5, "must list bands"),
            (("B04", {"bands": ["B08"]}), r"input\[0\] must be an object"),
            ({"bands": []}, r"input\[0\].bands must list"),
            ({"bands": [4]}, r"input\[0\].bands must list"),
            ({"units": "DN"}, r"input\[0\].bands must list"),
            ({"bands": ["B04", "B08"], "units": ["DN", "DN", "DN"]}, "3 units for 2 bands"),
            ({"bands": ["B04"], "units": 7}, "units must be"),
            ({"bands": ["B04"], "mosaicking": "TILES"}, "did you mean TILE"),
            ({"bands": ["__proto__"]}, "cannot be a band"),
            (({"datasource": "a", "bands": ["B04"]}, {"datasource": "a", "bands": ["B08"]}), "same datasource"),
        ],
    )
    def test_refused(self, given: object, message: str) -> None:
        with pytest.raises(ScriptSetupError, match=message):
            understood(given)


class TestOutput:
    def test_defaults(self) -> None:
        (output,) = read_setup("", {"input": ["B"], "output": {"bands": 2}}, PIXEL, require_mask=False).outputs
        assert (output.id, output.bands, output.sample_type, output.mask) == (
            "default",
            ("B0", "B1"),
            SampleType.FLOAT32,
            None,
        )

    def test_named_bands(self) -> None:
        evalscript = understood(output=({"id": "x", "bands": ["one", "two"], "sampleType": "uint8"}, MASK))
        assert evalscript.outputs[0].bands == ("one", "two")
        assert evalscript.outputs[0].sample_type is SampleType.UINT8
        assert (evalscript.mask_bands, evalscript.width) == (1, 3)

    def test_a_mask_per_output(self) -> None:
        outputs = tuple({"id": name, "bands": 1} for name in "abc")
        evalscript = understood(output=({"id": "dataMask", "bands": ["c", "a"]}, *outputs))
        assert [(output.id, output.mask) for output in evalscript.outputs] == [("a", 1), ("b", None), ("c", 0)]
        assert evalscript.mask_bands == 2

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            (None, "must be an object or a list"),
            ((), "must be an object or a list"),
            ((3,), "must be an object or a list"),
            ((MASK,), "declares only dataMask"),
            (({"id": "x", "bands": 1}, {"id": "x", "bands": 2}, MASK), "two outputs have the id 'x'"),
            (({"bands": 1}, {"bands": 2}, MASK), "two outputs have the id 'default'"),
            (({"id": 5, "bands": 1}, MASK), "is not a word"),
            (({"id": "x"}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": 0}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": 1.5}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": True}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": "\u0663"}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": "9" * 5000}, MASK), "bands must be a whole number"),
            (({"id": "x", "bands": 10**9}, MASK), "too many"),
            ((*({"id": f"x{n}", "bands": 4096} for n in range(4000)), MASK), "more than 16384 bands"),
            (({"id": "x", "bands": ["a", "a"]}, MASK), "different names"),
            (({"id": "x", "bands": 1, "sampleType": "FLOAT"}, MASK), "did you mean FLOAT32"),
            (({"id": "x", "bands": 1}, {"id": "dataMask", "bands": ["y"]}), "'y' is not one of them"),
            (({"id": "x", "bands": 1}, {"id": "dataMask", "bands": ["x", "x"]}), "list each once"),
            (({"id": "x", "bands": 1}, {"id": "dataMask", "bands": 2}), "bands is 2"),
        ],
    )
    def test_refused(self, output: object, message: str) -> None:
        with pytest.raises(ScriptSetupError, match=message):
            understood(output=output)

    def test_missing_mask_shows_the_lines_to_add(self) -> None:
        with pytest.raises(ScriptSetupError) as raised:
            understood(output={"id": "ndvi", "bands": 1})
        assert '{ id: "dataMask", bands: 1 }' in str(raised.value)
        assert "return { ndvi: [value], dataMask: [samples.dataMask] }" in str(raised.value)

    def test_no_pixel_function(self) -> None:
        with pytest.raises(ScriptSetupError, match="evaluatePixel"):
            read_setup("", {}, frozenset({"setup"}))


class TestCounted:
    def test_new_number_of_bands(self) -> None:
        evalscript = understood(output=({"id": "x", "bands": ["only"]}, MASK))
        assert declared(evalscript) == {"x": {"bands": 1}, "dataMask": {"bands": 1}}
        assert counted(evalscript, {"x": 1, "dataMask": 1}) == evalscript
        assert counted(evalscript, {"x": 3}).outputs[0].bands == ("B0", "B1", "B2")

    def test_too_many_in_all(self) -> None:
        evalscript = understood(output=(*({"id": f"x{n}", "bands": 1} for n in range(5)), MASK))
        with pytest.raises(ScriptExecutionError, match="more than 16384 bands"):
            counted(evalscript, {f"x{n}": 4096 for n in range(5)})


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ({"mosaicing": "ORBIT"}, "setup().mosaicing{}; did you mean 'mosaicking'?"),
        ({"given": {"bands": ["B04"], "unit": "DN"}}, "setup().input.unit{}; did you mean 'units'?"),
        (
            {"output": ({"bands": 1, "sampletype": "INT8"}, MASK)},
            "setup().output.sampletype{}; did you mean 'sampleType'?",
        ),
        ({"title": "mine"}, "setup().title{}"),
        ({"output": ({"bands": 1, "nodataValue": 0}, MASK)}, None),
        ({"mosaicking": "TILE"}, None),
    ],
)
def test_fields_that_nobody_knows_are_told(more: dict[str, object], remark: str | None) -> None:
    expected = (remark.format(" is not known and therefore ignored"),) if remark else ()
    assert understood(**more).remarks == expected


@pytest.mark.parametrize("name", ["preProcessScenes", "filterScenes"])
def test_scenes_that_are_not_there_cannot_be_chosen(name: str) -> None:
    given = {"input": ["B04", "dataMask"], "output": [{"id": "x", "bands": 1}, MASK]}
    told = read_setup("//VERSION=3", given, PIXEL | {name}).remarks
    assert told == (
        f'{name} is not called with SIMPLE mosaicking, which has no scenes; set mosaicking: "ORBIT" or "TILE"',
    )
    assert read_setup("//VERSION=3", {**given, "mosaicking": "ORBIT"}, PIXEL | {name}).remarks == ()
