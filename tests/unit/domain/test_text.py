"""Text that enters: what no database, JSON writer or file takes is replaced, and nothing else."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arpent.domain.boundary.text import clean, cleaned, json_whole, whole_number
from arpent.domain.errors import ArpentError, AssetUnreadable, InvalidRequest, ScriptExecutionError, WorldError

HALVES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
ODD_TEXT = st.text(st.one_of(st.characters(), HALVES, st.just("\0")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"), ("a\0b", "a\ufffdb"), ("half \ud800", "half \ufffd"), ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"), ("\udcffé", "\ufffdé"), ("tab\tline\n", "tab\tline\n"), ("", ""),
    ],
)  # fmt: skip
def test_by_hand(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(ODD_TEXT)
def test_it_can_be_stored_sent_and_cleaned_again(text: str) -> None:
    found = clean(text)
    assert "\0" not in found
    assert orjson.loads(orjson.dumps(found)) == found == clean(found)
    assert found.encode().decode() == found


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_good_text_stays(text: str) -> None:
    assert clean(text) == text


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | ODD_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ODD_TEXT, inner)
    )
)
def test_so_does_json(value: object) -> None:
    found = cleaned(value)
    assert "\\u0000" not in json.dumps(found)
    assert orjson.loads(orjson.dumps(found)) == found


@pytest.mark.parametrize(
    "error",
    [
        ArpentError("a\0\ud800"), WorldError("a\0\ud800"), InvalidRequest("a\0\ud800"),
        ScriptExecutionError("a\0\ud800"), AssetUnreadable("a\0\ud800"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_every_error_of_ours_is_clean(error: ArpentError) -> None:
    assert str(error) == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("9" * 20, int("9" * 20)), ("9" * 21, None), ("9" * 5000, None), ("", None),
        ("\u00b2", None), ("\u0663", None), ("+1", None), ("-1", None), ("1_0", None), (" 1", None), ("1\n", None),
    ],
)  # fmt: skip
def test_a_whole_number(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize("digits", ["0", "-1", str(2**63 - 1), str(-(2**63)), str(2**64 - 1)])
def test_a_whole_number_of_json(digits: str) -> None:
    assert (str(json_whole(digits)), type(json_whole(digits))) == (digits, int)
    assert json_whole(digits + "0" * 5000) in (0, float("inf"), float("-inf"))
