"""Egress policy: which hosts, addresses and folders an item, redirect or link may lead to (docs/adr/0014-egress.md)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

SETTING = "ARPENT_REACHABLE"
"""Setting with which an operator allows further hosts and folders."""
PORTS = {"http": 80, "https": 443}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(ipaddress.ip_address(text) for text in ("168.63.129.16", "192.0.0.192"))
"""Addresses that look public but belong to cloud metadata services, which disclose a machine's secrets. Other such
services have link-local (169.254.169.254), unique-local (fd00:ec2::254) or shared (100.100.100.200) addresses."""
_TRANSLATED = tuple(
    (ipaddress.ip_network(prefix), shift)
    for prefix, shift in (
        ("::ffff:0:0/96", 0), ("::ffff:0:0:0/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80), ("::/96", 0),
    )
)  # fmt: skip
"""Networks of IPv6 addresses that contain an IPv4 address, each with the number of bits after it: mapped, translated
(SIIT), NAT64, 6to4, compatible."""
_NEVER = tuple(ipaddress.ip_network(text) for text in ("64:ff9b:1::/48", "2001::/32", "fec0::/10", "5f00::/16"))
"""Networks refused as a whole: a site's NAT64, Teredo (which contains two addresses), site-local, segment routing."""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
"""Characters that some URL parsers drop or change."""


class EgressRefused(Exception):
    """The host, address or file may not be reached; the text gives the reason and what the operator can set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What may be reached. Does no I/O for hosts: the caller resolves names and passes the addresses."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    """Hosts named by the operator, in the form of `plain_host`, each with its port (None: any). They are trusted
    whatever address they resolve to."""
    folders: tuple[str, ...] = ()
    """Folders and files that items may lead to, with symbolic links resolved."""

    def is_trusted(self, host: str, port: int) -> bool:
        """Whether the operator named this host."""
        name = plain_host(host)
        return (name, port) in self.hosts or (name, None) in self.hosts

    def check(self, host: str, port: int, addresses: Iterable[str]) -> None:
        """Check that the operator named this host, or that all its addresses are public. Raises EgressRefused."""
        if self.is_trusted(host, port):
            return
        if not all(is_public(address) for address in addresses):
            raise EgressRefused(
                f"{host} is on this machine, on a private network or a cloud's own service, and is not allowed: "
                f"an operator can allow it with {SETTING} ({plain_host(host)}:{port})"
            )

    def file(self, path: str) -> str:
        """The path with symbolic links resolved. Raises EgressRefused if it is in none of the folders."""
        real = os.path.realpath(path)
        if any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in self.folders):
            return real
        raise EgressRefused(
            f"it lies outside the folder of its catalogue: an operator can allow further folders with {SETTING}"
        )


def policy_of(addresses: Iterable[str], folders: Iterable[str], further: Iterable[str] = ()) -> EgressPolicy:
    """The policy for the http(s) URLs (`addresses`) and folders in the settings. `further`: entries of
    ARPENT_REACHABLE, each a `host`, `host:port`, URL or folder."""
    further = tuple(further)
    named = [*addresses, *(entry for entry in further if "://" in entry and not entry.startswith("file://"))]
    bare = [entry for entry in further if "://" not in entry and not is_folder(entry)]
    paths = [*folders, *(entry.removeprefix("file://") for entry in further if is_folder(entry))]
    return EgressPolicy(
        hosts=frozenset((*(_of_url(url) for url in named), *(_of_entry(entry) for entry in bare))),
        folders=tuple(sorted({os.path.realpath(path) for path in paths})),
    )


def is_folder(entry: str) -> bool:
    """Whether an entry of ARPENT_REACHABLE is a folder, that is, begins like a path."""
    return entry.startswith(("/", "./", "../", "~", "file://")) or entry in (".", "..")


def is_entry(entry: str) -> bool:
    """Whether an entry of ARPENT_REACHABLE has a valid form."""
    if is_folder(entry):
        return True
    try:
        host, port = _of_url(entry) if "://" in entry else _of_entry(entry)
    except (ValueError, KeyError):
        return False
    return bool(host) and port != 0


def is_web_address(text: str) -> bool:
    """Whether the text is an http or https URL with a host and a valid port, if any."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    return known and bool(re.fullmatch(r"[\w.:-]+", parts.hostname or ""))


def check_url(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises EgressRefused if URL parsers could read it in different ways."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EgressRefused("its address cannot be read") from None
    if parts.scheme not in PORTS:
        raise EgressRefused(f"'{parts.scheme[:20]}' addresses are not supported; use https")
    if _ODD.search("/".join(url.split("/", 3)[:3])):
        raise EgressRefused("its host is written with spaces, backslashes or control characters")
    if "@" in parts.netloc:
        raise EgressRefused("its address names a user, which is not allowed")
    host = plain_host(parts.hostname or "")
    if not host or "%" in host or (":" not in host and not _HOST.fullmatch(host)):
        raise EgressRefused("its address has no host that can be read")
    return parts.scheme, host, PORTS[parts.scheme] if port is None else port


def plain_host(host: str) -> str:
    """A host name in the form used for comparisons: lower case, ASCII, without a final dot or brackets."""
    bare = host.strip("[]").lower()
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        # Python's own codec turns full-width digits and dots into plain ones, as resolvers do
        return bare.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return bare if bare.isascii() else ""


def is_public(text: str) -> bool:
    """Whether an address is public: not one of this machine, a private or local network, a carrier, a multicast group
    or a cloud metadata service, not reserved, and not an IPv6 address that contains such an IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_public(address)


def _is_public(address: Address) -> bool:
    if address in _METADATA or not address.is_global or address.is_multicast or address.is_reserved:
        return isinstance(address, ipaddress.IPv6Address) and _stands_for_public(address)
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if any(address in network for network in _NEVER):
        return False
    if any(address in network for network, _ in _TRANSLATED):
        return _stands_for_public(address)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return True


def _stands_for_public(address: ipaddress.IPv6Address) -> bool:
    """Whether the IPv6 address contains a public IPv4 address."""
    shift = next((shift for network, shift in _TRANSLATED if address in network), None)
    if shift is None:
        return False
    return _is_public(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))


def _of_url(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return plain_host(parts.hostname or ""), PORTS[parts.scheme] if parts.port is None else parts.port


def _of_entry(entry: str) -> tuple[str, int | None]:
    """(host, port or None) from `host` or `host:port`, where an IPv6 address with a port is in brackets. Raises
    ValueError."""
    try:
        return str(ipaddress.ip_address(entry)), None
    except ValueError:
        parts = urlsplit(f"//{entry}")
    if parts.path or parts.query or "@" in entry:
        raise ValueError("this is not a host")
    host = plain_host(parts.hostname or "")
    if ":" not in host and not _HOST.fullmatch(host):
        raise ValueError("this is not a host")
    return host, parts.port
