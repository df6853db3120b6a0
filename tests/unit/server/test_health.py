"""Probes, and what the log says of one that fails."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Route

from arpent.domain.errors import WorldError
from arpent.server.health import health_routes


@pytest.mark.parametrize(
    ("error", "traced"),
    [(WorldError("the file was removed", transient=True), False), (ZeroDivisionError("of ours"), True)],
)
def test_a_probe_that_fails_says_why_and_shows_a_traceback_of_what_nobody_foresaw(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Probes come every few seconds."""

    def ready() -> bool:
        raise error

    callers: Any = None
    routes = health_routes(ready, None, callers).routes
    endpoints = {route.name: route.endpoint for route in routes if isinstance(route, Route)}
    with pytest.raises(HTTPException) as refused:
        endpoints["readyz"]()
    assert refused.value.status_code == 503
    (record,) = [each for each in caplog.records if each.name == "arpent.server.health"]
    assert str(error) in record.message
    assert bool(record.exc_info) is traced
