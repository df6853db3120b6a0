"""Sending: starts sending spans to an OpenTelemetry collector, if one is set and the extra `otel` is installed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from arpent.domain.boundary.span import Recorder, is_recording, record_with
from arpent.domain.errors import InvalidSetting

log = logging.getLogger(__name__)


def export_traces(otlp_endpoint: str | None, role: str) -> None:
    """Send the spans of this process to the collector at `otlp_endpoint`, if one is set; `role`: what the process
    does."""
    if otlp_endpoint is not None and not is_recording() and can_export(otlp_endpoint):
        make = _otlp_recorder()
        record_with(make and make(otlp_endpoint, role))


def can_export(otlp_endpoint: str | None) -> bool:
    """Whether spans can be sent to the collector, or none is set. If not, logs a warning, once per process."""
    if otlp_endpoint is None or _otlp_recorder() is not None:
        return True
    _warn()
    return False


def check_traces(otlp_endpoint: str | None) -> None:
    """Check that a server or runner can send its traces, if a collector is set. Raises InvalidSetting if not."""
    if otlp_endpoint is not None and _otlp_recorder() is None:
        raise InvalidSetting("ARPENT_OTLP_ENDPOINT is set, which needs pip install 'arpent[otel]': install or unset it")


@cache
def _otlp_recorder() -> Callable[[str, str], Recorder] | None:
    """The class OtlpRecorder; None if OpenTelemetry's library is not installed."""
    try:
        from arpent.adapters.traces.otlp import OtlpRecorder
    except ImportError:
        return None
    return OtlpRecorder


@cache
def _warn() -> None:
    log.warning("ARPENT_OTLP_ENDPOINT is set, but no traces are sent from here: pip install 'arpent[otel]'")
