"""Where results go."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from arpent.domain.location import Location
from arpent.engine.output_keys import own, result_key, result_keys, safe, template

JOB = "7f3c"


def output(key: str) -> Location:
    return Location(scheme="s3", bucket="field", key=key)


@pytest.mark.parametrize(
    ("key", "feature_key"),
    [
        ("results", "results/7f3c/12.json"),
        ("results/", "results/7f3c/12.json"),
        ("", "7f3c/12.json"),
        ("a/<REQUEST_ID>/x-<ID>.json", "a/7f3c/x-12.json"),
        ("a/<IDENTIFIER>.json", "a/SI 21.json"),
        ("<ID>", "12"),
        ("a/<ID>/", "a/12"),
        ("<ID>/<REQUEST_ID>/<ID>", "12/7f3c/12"),
        ("<IDENTIFIER>/<ID>", "SI 21/12"),
    ],
)
def test_a_plain_folder_is_a_template_too(key: str, feature_key: str):
    pattern = template(output(key))
    assert result_key(pattern, JOB, 12, "SI 21") == feature_key
    names = ["SI 21", None, "a/b", "<ID>"]
    many = [result_key(pattern, JOB, feature, name) for feature, name in zip(range(12, 16), names, strict=True)]
    assert list(result_keys(pattern, JOB, range(12, 16), names)) == many


def test_without_an_identifier_the_id_stands_in():
    assert result_key("<IDENTIFIER>.json", JOB, 12, None) == "12.json"


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", ""),
        ("čebela", "%C4%8Debela"),
        ("<ID>", "%3CID%3E"),
        ("a\\b", "a%5Cb"),
    ],
)
def test_an_identifier_never_leaves_its_folder(identifier: str, segment: str):
    assert safe(identifier) == segment


@pytest.mark.parametrize("identifier", ["x" * 300, "č" * 100, "/" * 90, "x" * 149 + "č" * 50, "x" * 181])
def test_a_long_identifier_is_cut_and_stays_the_features_own(identifier: str):
    keys = {result_key("a/<IDENTIFIER>.json", JOB, feature, identifier) for feature in (12, 13)}
    assert len(keys) == 2
    for key in keys:
        name = key.removeprefix("a/")
        assert "/" not in name
        assert len(name.encode()) < 200
        assert unquote(name, errors="strict").endswith(".json")


def test_the_longest_identifier_that_stays():
    assert result_key("<IDENTIFIER>", JOB, 12, "x" * 180) == "x" * 180


def test_an_empty_identifier_is_none():
    assert result_key("a/<IDENTIFIER>", JOB, 12, "") == "a/12"


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("results", "results/7f3c/parquet/part.parquet"),
        ("results/", "results/7f3c/parquet/part.parquet"),
        ("", "7f3c/parquet/part.parquet"),
        ("a/<IDENTIFIER>.json", "a/7f3c/parquet/part.parquet"),
        ("x-<ID>.json", "7f3c/parquet/part.parquet"),
    ],
)
def test_what_is_ours_lies_in_a_folder_below(key: str, place: str):
    assert own(output(key), JOB, "parquet/part.parquet").key == place
