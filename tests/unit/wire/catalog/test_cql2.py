"""CQL2 as text and as JSON: parsed to the same predicate, and refused by the name of what is not served."""

from __future__ import annotations

import math

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.wire.catalog.cql2 import parse_json, parse_text
from arpent.wire.catalog.predicate import Comparison, holds

TILE = {"eo:cloud_cover": 12.5, "sat:orbit_state": "ascending", "s1:polarization": "DV", "night": False, "row": 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eo:cloud_cover < 20", True),
        ("eo:cloud_cover < 12.5", False),
        ("eo:cloud_cover <= 12.5", True),
        ("eo:cloud_cover > 1.2e1", True),
        ("20 > eo:cloud_cover", True),
        ("20 < eo:cloud_cover", False),
        ("eo:cloud_cover <> 12.5", False),
        ("eo:cloud_cover = -12.5", False),
        ('"eo:cloud_cover"<20', True),
        ("sat:orbit_state='ascending' AND s1:polarization='DV'", True),
        ("sat:orbit_state = 'ASCENDING' and NOT s1:polarization = 'DH'", True),
        ("sat:orbit_state = 'descending' OR s1:polarization = 'DV'", True),
        ("sat:orbit_state = 'descending' OR s1:polarization = 'DV' AND row = 8", False),
        ("(sat:orbit_state = 'descending' OR s1:polarization = 'DV') AND row = 7", True),
        ("row IN (1, 7)", True),
        ("row NOT IN (1, 7)", False),
        ("eo:cloud_cover BETWEEN 10 AND 12.5", True),
        ("eo:cloud_cover NOT BETWEEN 10 AND 12.5", False),
        ("eo:cloud_cover BETWEEN 13 AND 20", False),
        ("missing IS NULL", True),
        ("row IS NOT NULL", True),
        ("night = FALSE", True),
        ("night = 0", False),
        ("missing < 5", False),
        ("sat:orbit_state < 5", False),
        ("s1:polarization = 'it''s'", False),
    ],
)
def test_what_is_true(text: str, expected: bool) -> None:
    assert holds(parse_text(text), TILE) is expected


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a < 5", {"op": "<", "args": [{"property": "a"}, 5]}),
        ("5 > a", {"op": ">", "args": [5, {"property": "a"}]}),
        ("a IS NULL", {"op": "isNull", "args": [{"property": "a"}]}),
        ("a IN ('x', 'y')", {"op": "in", "args": [{"property": "a"}, ["x", "y"]]}),
        ("a BETWEEN 1 AND 2.5", {"op": "between", "args": [{"property": "a"}, 1, 2.5]}),
        (
            "NOT (a = 1 AND b = TRUE)",
            {
                "op": "not",
                "args": [
                    {
                        "op": "and",
                        "args": [{"op": "=", "args": [{"property": n}, v]} for n, v in (("a", 1), ("b", True))],
                    }
                ],
            },
        ),
    ],
)
def test_both_forms_are_one(text: str, document: object) -> None:
    assert parse_text(text) == parse_json(document)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("platform LIKE 'a%'", "'LIKE' is not supported"),
        ("T_AFTER(datetime, x)", "'T_AFTER' is not supported"),
        ("casei(platform) = 'a'", "'casei' is not supported"),
        ("foo(platform) = 'a'", "function 'foo' is not supported"),
        ("a = 1 + 2", "'[+]' is not supported"),
        ("a = b", "a constant is missing before 'b'"),
        ("a", "a comparison is missing"),
        ("a = 'x", "quotation mark"),
        ("(a = 1", "'\\)' is missing"),
        ("a = 1)", "'\\)' is not expected"),
        ("a IN ()", "a constant is missing"),
        ("AND a = 1", "a property is missing"),
        ("a BETWEEN 1", "'AND' is missing"),
        ("a = \u0665", "'\u0665'"),
        ("NOT " * 40 + "a = 1", "deeper than 32"),
        ("(" * 40 + "a = 1", "deeper than 32"),
        ("a = 1 AND " * 400 + "a = 1", "more than 1000"),
    ],
)
def test_what_is_refused_as_text(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        parse_text(text)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"op": "like", "args": [{"property": "a"}, "x"]}, '"like" is not supported'),
        ({"op": "s_intersects", "args": []}, '"s_intersects" is not supported'),
        ({"op": "=", "args": [{"op": "casei", "args": []}, "x"]}, '"casei" is not supported here'),
        ({"op": "=", "args": [1, 2]}, "lacks a property"),
        ({"op": "=", "args": [{"property": "a"}, {"date": "2020-01-01"}]}, "a constant must be text"),
        ({"op": "=", "args": []}, "a property and a constant"),
        ({"op": "and", "args": []}, "a list of filters"),
        ({"op": "not", "args": [{}, {}]}, "a list of one filter"),
        ({"op": "in", "args": [{"property": "a"}, []]}, "not valid in CQL2"),
        ([], '"op" and "args"'),
    ],
)
def test_what_is_refused_as_json(document: object, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        parse_json(document)


def test_json_that_is_too_deep() -> None:
    document: object = {"op": "=", "args": [{"property": "a"}, 1]}
    for _ in range(40):
        document = {"op": "not", "args": [document]}
    with pytest.raises(InvalidRequest, match="deeper than 32"):
        parse_json(document)


@pytest.mark.parametrize(
    ("text", "number"), [("-7", -7), ("+7", 7), ("7.5", 7.5), ("1e3", 1000.0), ("9" * 5000, math.inf), ("-1e1", -10.0)]
)
def test_a_number_of_any_length(text: str, number: float) -> None:
    assert parse_text(f"a < {text}") == Comparison(name="a", test="<", values=(number,))
