"""`arpent explain`: how a feature's numbers were computed, without a server."""

from __future__ import annotations

from arpent import worker
from arpent.adapters.formats.picture import picture
from arpent.engine.explain import explain_feature
from arpent.settings import Settings
from arpent.wire.explanation import render_explanation
from arpent.wire.iso import parse_instant
from arpent.wire.request.parse import parse_batch
from arpent.wiring import local


def explained(settings: Settings, body: str, feature: int, start: str | None, *, draw: bool) -> bytes:
    """The explanation as JSON or, with `draw`, PNG. Raises CallerError, ScriptError or WorldError."""
    worker.check_places(settings)
    services = worker.services_of(settings)
    request = parse_batch(body)
    local.check_request(services.collections, request)
    explanation = explain_feature(request, feature, parse_instant(start, "--from") if start else None, services)
    return picture(explanation) if draw else render_explanation(explanation)
