"""Which addresses are public, which hosts and folders are allowed, and which spellings are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arpent.network.policy import EgressPolicy, EgressRefused, check_url, is_entry, is_public, plain_host, policy_of

REFUSED = (
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255", "192.0.0.192", "168.63.129.16", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "::1", "::", "fe80::1", "febf::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:0:127.0.0.1",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1",
    "2002:a9fe:a9fe::1", "2001:0:808:808::1", "2001:db8::1", "100::1", "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1", "localhost", "2130706433", "0x7f.1",
)  # fmt: skip
PUBLIC = (
    "8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "172.32.0.1",
    "100.128.0.1",
)  # fmt: skip
ODD = (
    "http://user@images.example/x", "http://a:b@127.0.0.1/x", "http://images.example\\@127.0.0.1/x", "http:///x", "http://",
    "http://images.example:99999/x", "http://images.example:x/", "http://ima ges.example/",
    "http://images.example\n.evil/x",
    "ftp://images.example/x", "file:///etc/passwd", "gopher://h/", "http:\\\\h\\x", "http://[::1", "http://%31%32%37.0.0.1/",
    "http://-images.example/", "vsicurl/http://h/", "http://[fe80::1%25eth0]/",
)  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(EgressRefused, match="ARPENT_REACHABLE"):
        EgressPolicy().check("images.example", 443, [address])
    with pytest.raises(EgressRefused):
        EgressPolicy().check("images.example", 443, ["8.8.8.8", address])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_passes(address: str) -> None:
    EgressPolicy().check("images.example", 443, [address])


def test_a_host_of_the_settings_is_trusted_at_its_port_whatever_it_resolves_to() -> None:
    policy = policy_of(
        ["http://stac.local:8080/v1", "https://S3.Local"], [], ["bare.local", "10.0.0.5:9000", "[fd00::1]:80"]
    )
    for host, port in (
        ("stac.local", 8080), ("STAC.local.", 8080), ("s3.local", 443), ("bare.local", 1), ("10.0.0.5", 9000),
        ("fd00::1", 80),
    ):  # fmt: skip
        policy.check(host, port, ["127.0.0.1"])
    for host, port in (("stac.local", 22), ("s3.local", 80), ("10.0.0.5", 9001), ("10.0.5", 9000), ("xbare.local", 1)):
        with pytest.raises(EgressRefused):
            policy.check(host, port, ["127.0.0.1"])


@pytest.mark.parametrize("url", ODD)
def test_what_parsers_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("HTTPS://Images.Example./a b?c d", "images.example"),
        ("https://b\u00fccher.example/x", "xn--bcher-kva.example"),
        ("https://[2606:4700::1111]/x", "2606:4700::1111"), ("https://\uff11\uff12\uff17.0.0.1/x", "127.0.0.1"),
    ],
)  # fmt: skip
def test_hosts_have_one_spelling(url: str, host: str) -> None:
    assert check_url(url)[1] == host
    assert plain_host(host) == host


@pytest.mark.parametrize(
    "entry", ["images.local", "10.0.0.5:9000", "http://h:80/x", "/data", "./data", "file:///data", "::1"]
)
def test_entries_of_the_setting(entry: str) -> None:
    assert is_entry(entry)


@pytest.mark.parametrize("entry", ["", "host/path", "a b", "ftp://h", "h:port", "u@h", "http://", "h:0"])
def test_what_is_no_entry(entry: str) -> None:
    assert not is_entry(entry)


def test_files_lie_in_the_folders_links_followed(tmp_path: Path) -> None:
    inside, outside, more = (tmp_path / name for name in ("stac", "stac-other", "more"))
    for folder in (inside, outside, more):
        folder.mkdir()
        (folder / "a.tif").touch()
    os.symlink(outside / "a.tif", inside / "link.tif")
    os.symlink(outside, inside / "folder")
    os.symlink(inside, tmp_path / "alias")
    policy = policy_of([], [str(tmp_path / "alias")], [str(more)])
    for path in (inside / "a.tif", tmp_path / "alias" / "a.tif", more / "a.tif", inside / ".." / "more" / "a.tif"):
        assert Path(policy.file(str(path))).name == "a.tif"
    for path in (
        outside / "a.tif", inside / "link.tif", inside / "folder" / "a.tif", inside / ".." / "stac-other" / "a.tif",
        Path("/etc/passwd"), inside / ".." / ".." / "etc",
    ):  # fmt: skip
        with pytest.raises(EgressRefused, match="ARPENT_REACHABLE"):
            policy.file(str(path))
