"""Connections: urllib3 pools that connect only to addresses allowed by the policy.

A name is resolved once, and the connection uses the address that was checked, so that DNS rebinding (a name that
resolves differently the next time) cannot get around the policy.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from arpent.network.deadline import DeadlineConnection, addresses_of
from arpent.network.policy import PORTS, EgressPolicy, EgressRefused, check_url

if TYPE_CHECKING:
    from requests import Response, Session  # takes long to load

MOST_HOPS = 5
"""Maximum number of redirects of one request."""
_QUERY = re.compile(r"\?[^\s'\"]+")


class WithoutQueries(logging.Filter):
    """Removes the queries of URLs from urllib3's log messages, since they may contain keys or signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("?…", record.getMessage()), ()
        return True


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(WithoutQueries())


def checked_pools(policy: EgressPolicy | None, **options: Any) -> PoolManager:
    """Connection pools by host. `policy`: what may be reached; None: everything."""
    manager = PoolManager(**options)
    manager.pool_classes_by_scheme = pool_classes(policy)
    return manager


def proxy_of(url: str, policy: EgressPolicy | None) -> str | None:
    """The proxy that the environment sets for this URL; None if there is none. The proxy resolves names itself, so
    names that can be resolved here are checked first. Raises EgressRefused."""
    scheme, host, port = check_url(url)
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return None
    if policy is not None:
        try:
            policy.check(host, port, addresses_of(host, port))
        except socket.gaierror:
            policy.check(host, port, ())
    return proxy if "://" in proxy else f"http://{proxy}"


def proxy_pools(proxy: str, **options: Any) -> ProxyManager:
    """Connection pools that go through the operator's proxy."""
    manager = ProxyManager(proxy, **options)
    manager.pool_classes_by_scheme = pool_classes(None)
    return manager


def guard_session(session: Session) -> None:
    """Limit the redirects of a `requests` session, and forbid those from https to http. `requests` itself does not send
    keys on to other hosts, and the connections check the targets."""
    session.max_redirects = MOST_HOPS
    session.hooks["response"].append(_check_redirect)


def check_target(url: str, policy: EgressPolicy) -> None:
    """Check a URL before each request, redirects included: it must name a host trusted by the operator, or be
    unambiguous (see `check_url`). Raises EgressRefused."""
    parts = urlsplit(url)
    if not policy.is_trusted(parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)):
        proxy_of(url, policy)  # checks the URL; only those of the operator may contain a user name


def _check_redirect(response: Response, *_: Any, **__: Any) -> None:
    """Check a redirect before it is followed. Raises EgressRefused."""
    if not response.is_redirect:
        return
    following = linked_address(response.url, response.headers["location"])
    if response.url.startswith("https:") and not following.startswith("https:"):
        raise EgressRefused("its server redirects from https to an address without encryption")


def linked_address(base: str, href: str) -> str:
    """The URL that a link or redirect from `base` leads to. Raises EgressRefused if it is malformed."""
    try:
        found = urljoin(base, href)
        _ = urlsplit(found).port  # parsed only on access
    except ValueError:
        raise EgressRefused("it leads to an address that cannot be read") from None
    return found


def pool_classes(policy: EgressPolicy | None) -> dict[str, type[HTTPConnectionPool]]:
    """Pool classes by scheme, whose connections end at their thread's deadline and go only to addresses that the
    policy, if any, allows."""

    class Guarded(DeadlineConnection):
        def _open(self, addresses: list[str]) -> socket.socket:
            return super()._open(addresses) if policy is None else connected(self, policy, addresses)

    class Plain(Guarded, HTTPConnection):
        pass

    class Secure(Guarded, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def connected(connection: Any, policy: EgressPolicy, addresses: Sequence[str]) -> socket.socket:
    """A socket to one of the host's `addresses`, after the policy has allowed all of them. Raises EgressRefused, and
    urllib3's errors for failed connections."""
    host, port = str(connection._dns_host), int(connection.port or 0)
    policy.check(host, port, addresses)
    last: OSError | None = None
    for address in addresses:
        try:
            return create_connection(
                (address, port), connection.timeout, connection.source_address, connection.socket_options
            )
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, f"{host} does not answer") from error
        except OSError as error:
            last = error
    reason = os.strerror(last.errno) if last is not None and last.errno else "no address"
    raise NewConnectionError(connection, f"{host}: {reason}") from last
