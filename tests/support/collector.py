"""An OpenTelemetry collector on loopback, which keeps the spans that it receives."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http_server import QuietHandler, served


@dataclass(frozen=True, kw_only=True)
class Received:
    """A span as it came."""

    name: str
    role: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    is_error: bool
    attributes: dict[str, object]


@dataclass(kw_only=True)
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list)
    raw: bytes = b""
    """All that came, for searches of what must not be in it."""

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            role = next(each.value.string_value for each in resource.resource.attributes if each.key == "arpent.role")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Received(
                            name=span.name, role=role, trace=span.trace_id.hex(), id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(), began=span.start_time_unix_nano,
                            ended=span.end_time_unix_nano, is_error=span.status.code == 2,
                            attributes={
                                each.key: getattr(each.value, str(each.value.WhichOneof("value")))
                                for each in span.attributes
                            },
                        )
                    )  # fmt: skip


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector for as long as a test needs it."""
    kept = Collector()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            kept.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with served(Handler) as url:
        kept.url = url
        yield kept
