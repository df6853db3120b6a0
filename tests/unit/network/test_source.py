"""The table of sources: which entry a URL belongs to, and what an entry may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from arpent.network.source import ArchiveSource, SourceTable


def table(**matches: str | list[str]) -> SourceTable:
    return SourceTable(
        tuple(ArchiveSource.model_validate({"match": match}).named(name) for name, match in matches.items())
    )


TABLE = table(
    host="https://images.org", folder="https://images.org/private", wild="https://*.images.org",
    exact="https://a.images.org", port="http://images.org:8080", bucket="s3://eodata", prefix="s3://eodata/Sentinel-2/MSI",
    buckets="s3://deafrica-*", two=["s3://one", "s3://two"], ipv6="https://[::1]:9000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://images.org/a.tif", "host"), ("https://IMAGES.org:443/a.tif?x=1", "host"),
        ("https://images.org./a.tif", "host"), ("https://images.org/private/a.tif", "folder"),
        ("https://images.org/private", "folder"), ("https://images.org/privately/a.tif", "host"),
        ("https://images.org/private/../a.tif", "host"), ("https://images.org/x/%2e%2e/private/a.tif", "folder"),
        ("https://b.images.org/a.tif", "wild"), ("https://c.b.images.org/a.tif", "wild"),
        ("https://a.images.org/a.tif", "exact"), ("http://images.org/a.tif", None),
        ("http://images.org:8080/a.tif", "port"), ("https://images.org:8080/a.tif", None),
        ("https://evilimages.org/a.tif", None), ("https://images.org.evil.org/a.tif", None),
        ("https://user@images.org/a.tif", "host"), ("https://images.org@evil.org/a.tif", None),
        ("s3://eodata/x.jp2", "bucket"), ("s3://eodata/Sentinel-2/MSI/x.jp2", "prefix"),
        ("s3://eodata/Sentinel-2/MSIL/x.jp2", "bucket"), ("s3://eodata2/x", None), ("s3://EODATA/x", None),
        ("s3://deafrica-sentinel-2/x", "buckets"), ("s3://two/x", "two"), ("gs://eodata/x", None),
        ("https://[::1]:9000/x", "ipv6"), ("/a/file.tif", None), ("file:///a.tif", None), ("https://[broken/x", None),
    ],
)  # fmt: skip
def test_the_longest_match_of_the_same_host_wins(url: str, name: str | None) -> None:
    found = TABLE.of(url)
    assert (None if found is None else found.name) == name


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"match": "images.org"}, "write https://host"), ({"match": "gs://bucket"}, "write https://host"),
        ({"match": "https://user@host"}, "write https://host"), ({"match": []}, "at least 1 item"),
        ({"access_key": "AKIATOPSECRET", "secret_key": "env:X"}, "not itself: env:VARIABLE or file:/path"),
        ({"token": "eyJTOPSECRET"}, "env:VARIABLE"), ({"access_key": "env:A"}, "belong together"),
        ({"unsigned": True, "profile": "x"}, "`unsigned` sends no keys"), ({"endpoint": "minio:9000"}, "http://host:9000"),
        ({"endpoint": "https://key:TOPSECRET@host"}, "https://host"), ({"region": "eu west"}, "must be 1 to 63"),
        ({"connections": 0}, "greater than or equal to 1"), ({"acces_key": "env:A"}, "Extra inputs"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_without_being_shown(entry: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        ArchiveSource.model_validate(entry)
    assert "TOPSECRET" not in str(caught.value)


def test_an_entry_over_another_never_mixes_keys() -> None:
    preset = ArchiveSource.model_validate(
        {"match": "s3://b", "region": "default", "access_key": "env:A", "secret_key": "env:B", "token": "env:T"}
    ).named("preset")
    other = ArchiveSource.model_validate({"profile": "mine", "connections": 2}).over(preset)
    assert (other.name, other.match, other.region, other.connections) == ("preset", ("s3://b",), "default", 2)
    assert (other.access_key, other.secret_key, other.profile, other.token) == (None, None, "mine", "env:T")
    assert ArchiveSource.model_validate({"unsigned": True}).over(preset).access_key is None


def test_only_addresses_in_full_are_named() -> None:
    source = ArchiveSource.model_validate(
        {"match": ["https://*.blobs.org", "https://a.org/x", "s3://b"], "sas_url": "http://127.0.0.1:9/sas"}
    )
    assert source.addresses == ("https://a.org/x", "http://127.0.0.1:9/sas")


def test_a_login_has_a_host_of_its_own() -> None:
    login = {"match": "https://data.org", "login_host": "login.org:8443", "netrc": True}
    table = SourceTable((ArchiveSource.model_validate(login).named("mine"),))
    for url in (
        "http://login.org:8443/x",
        "https://login.org/x",
        "https://evil.org/login.org:8443",
        "https://[broken/x",
    ):
        assert table.login_at(url) is None, url
    assert table.login_at("https://login.org:8443/authorize?x=1") is table.sources[0]
