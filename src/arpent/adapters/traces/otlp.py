"""OTLP: sends the spans of this process to a collector with OpenTelemetry's own library, which the extra `otel`
installs."""

from __future__ import annotations

import atexit
import os
import platform
from threading import Event, Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from arpent import __version__
from arpent.domain.boundary.span import Span

KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
SCOPE = InstrumentationScope("arpent", __version__)
PATH = "/v1/traces"
"""Path below a collector's address, from the OTLP specification."""
END_SECONDS = 3.0
"""Most seconds that an ending process waits for the collector; the library would wait 30, longer than a server may take
to end."""


class OtlpRecorder:
    """A Recorder. A thread sends recorded spans every few seconds, and the rest when the process ends. While the
    collector is unavailable spans are kept up to a limit; beyond it, or when the process ends, they are lost.
    OpenTelemetry's environment variables OTEL_* apply."""

    def __init__(self, endpoint: str, role: str) -> None:
        """`endpoint`: URL of a collector; `role`: what the process does."""
        named = {"service.name": "arpent"} if "OTEL_SERVICE_NAME" not in os.environ else {}
        self._resource = Resource.create(
            {
                **named,
                "service.version": __version__,
                "arpent.role": role,
                "host.name": platform.node(),
                "process.pid": os.getpid(),
            }
        )
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH))
        self._provider.add_span_processor(self._processor)
        self._ending, self._ended = Event(), Event()
        # Started now: an interpreter that is ending starts no threads.
        Thread(target=self._end, name="arpent-traces", daemon=True).start()
        atexit.register(self.close)

    def samples(self, trace: str) -> bool:
        """Whether a trace is recorded, according to OTEL_TRACES_SAMPLER; by default all are."""
        found = self._provider.sampler.should_sample(None, int(trace, 16), "")
        return found.decision is Decision.RECORD_AND_SAMPLE

    def record(self, span: Span) -> None:
        context, parent = _context(span.trace, span.id), _context(span.trace, span.parent) if span.parent else None
        self._processor.on_end(
            ReadableSpan(
                name=span.name,
                context=context,
                parent=parent,
                resource=self._resource,
                attributes={**span.attributes, **({"error.type": span.error} if span.error else {})},
                kind=KINDS[span.kind],
                status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
                start_time=span.began,
                end_time=span.ended,
                instrumentation_scope=SCOPE,
            )
        )

    def flush(self, seconds: float) -> bool:
        """Send recorded spans now; returns whether all were sent within `seconds`."""
        return self._provider.force_flush(int(seconds * 1000))

    def close(self) -> None:
        """Send the remaining spans and end the threads; spans that the collector does not accept within END_SECONDS are
        lost."""
        self._ending.set()
        self._ended.wait(END_SECONDS)
        atexit.unregister(self.close)

    def _end(self) -> None:
        self._ending.wait()
        self._provider.shutdown()
        self._ended.set()


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
