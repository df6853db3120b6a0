"""Address: the URL at which a client reached this server, for links, and whether the client is on this machine."""

from __future__ import annotations

import ipaddress
import re

from fastapi import Request

from arpent.server.options import ServerOptions

_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9_.~%-]+)*")
_FORWARDING = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via", "x-real-ip")
"""Every proxy sets at least one of these headers."""


def list_address(request: Request, options: ServerOptions) -> str:
    """The URL of this request as its client sees it, without the query. A proxy's headers count if it is trusted;
    malformed ones are ignored."""
    url = request.url.replace(query="", fragment="")
    if not options.trust_forwarded:
        return str(url)
    scheme = _last(request, "x-forwarded-proto").lower()
    host = _last(request, "x-forwarded-host")
    prefix = _last(request, "x-forwarded-prefix").rstrip("/")
    if scheme in ("http", "https"):
        url = url.replace(scheme=scheme)
    if _HOST.fullmatch(host):
        url = url.replace(netloc=host)
    if prefix and _PREFIX.fullmatch(prefix):
        url = url.replace(path=f"{prefix}{url.path}")
    return str(url)


def is_loopback(request: Request) -> bool:
    """Whether the connection comes from this machine, or from a Unix socket."""
    if request.client is None:
        return True
    try:
        address = ipaddress.ip_address(request.client.host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_local(request: Request) -> bool:
    """Whether the client itself is on this machine: the connection is, and no proxy forwarded the request."""
    return is_loopback(request) and not any(name in request.headers for name in _FORWARDING)


def _last(request: Request, name: str) -> str:
    """The header's value as set by the nearest proxy."""
    return request.headers.get(name, "").rpartition(",")[2].strip()
