"""Spans as a collector receives them; and nothing of OpenTelemetry's library where no collector is set."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from arpent.adapters.traces import otlp
from arpent.adapters.traces.otlp import OtlpRecorder
from arpent.domain.boundary.span import record_with
from arpent.domain.boundary.trace import current_trace, read_trace, run_traced, spanned, trace_of
from arpent.settings import Settings
from arpent.worker import _otlp_recorder, check_places, export_traces
from tests.support.collector import Collector, collector

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, ABOVE = CLIENT.split("-")[1:3]


@pytest.fixture
def received() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture
def recorder(received: Collector) -> Iterator[OtlpRecorder]:
    recorder = OtlpRecorder(received.url + "/", "worker")
    record_with(recorder)
    yield recorder
    record_with(None)
    recorder.close()


def test_spans_hang_together_as_the_work_did(received: Collector, recorder: OtlpRecorder) -> None:
    stored = trace_of(None, CLIENT)
    with spanned("process", read_trace(stored.text), **{"arpent.partition": 3}) as told:
        with spanned("write", current_trace()):
            pass
        told["arpent.features.done"] = 7
    assert recorder.flush(30)
    (process,), (write,) = received.named("process"), received.named("write")
    assert {process.trace, write.trace} == {TRACE}
    assert process.parent == stored.parent.split("-")[2] != ABOVE
    assert write.parent == process.id
    assert process.attributes == {"arpent.partition": 3, "arpent.features.done": 7}
    assert process.began <= write.began <= write.ended <= process.ended
    assert not process.is_error
    assert process.role == "worker"


def test_an_error_is_named_without_its_words(received: Collector, recorder: OtlpRecorder) -> None:
    with pytest.raises(ValueError, match="secret"), spanned("process", trace_of(None, CLIENT)):
        raise ValueError("the secret is 12345")
    assert recorder.flush(30)
    (span,) = received.spans
    assert span.is_error
    assert span.attributes == {"error.type": "ValueError"}
    assert b"12345" not in received.raw


def test_a_call_in_another_process_is_a_span_of_its_request(received: Collector, recorder: OtlpRecorder) -> None:
    trace = trace_of(None, CLIENT)
    assert run_traced(trace, len, "four") == 4
    assert recorder.flush(30)
    (span,) = received.spans
    assert (span.name, span.parent) == ("len", trace.parent.split("-")[2])


def test_the_client_decides_and_otherwise_the_sampler(
    received: Collector, recorder: OtlpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trace_of(None, None).parent.endswith("-01")
    with spanned("process", trace_of(None, f"{CLIENT[:-2]}00")):
        pass
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    record_with(OtlpRecorder(received.url, "server"))
    assert trace_of(None, None).parent.endswith("-00")
    assert recorder.flush(30)
    assert received.spans == []


def test_work_goes_on_without_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    recorder = OtlpRecorder("http://127.0.0.1:1", "worker")
    record_with(recorder)
    try:
        with spanned("process", trace_of(None, CLIENT)):
            pass
    finally:
        record_with(None)
        recorder.close()


def test_a_process_does_not_wait_for_a_silent_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections, and answers nobody; the library would try each batch for ten seconds."""
    monkeypatch.setattr(otlp, "END_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        recorder = OtlpRecorder(f"http://127.0.0.1:{silent.getsockname()[1]}", "worker")
        record_with(recorder)
        try:
            began = time.monotonic()
            for _ in range(2000):
                with spanned("process", trace_of(None, CLIENT)):
                    pass
            recorder.close()
            assert time.monotonic() - began < 8
        finally:
            record_with(None)


def test_without_the_extra_the_start_says_so_and_workers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arpent.adapters.traces.otlp", None)
    monkeypatch.setattr("arpent.worker._otlp_recorder", _otlp_recorder.__wrapped__)
    with pytest.raises(Exception, match=r"ARPENT_OTLP_ENDPOINT .* pip install 'arpent\[otel\]'"):
        check_places(Settings(otlp_endpoint="http://127.0.0.1:4318"))
    assert trace_of(None, None).parent.endswith("-00"), "nobody hears of spans"
    export_traces("http://127.0.0.1:4319", "worker")
    assert trace_of(None, None).parent.endswith("-00")


def test_nothing_is_loaded_where_no_collector_is_set() -> None:
    program = (
        "import arpent.wiring.server, arpent.server.app, arpent.worker as w, sys; w.export_traces(None, 'server');"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
