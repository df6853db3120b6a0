"""Spans as a collector receives them; and nothing of OpenTelemetry's library where no collector is set."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache

import pytest

from arpent.adapters.traces import otlp, sending
from arpent.adapters.traces.otlp import OtlpRecorder
from arpent.adapters.traces.sending import _otlp_recorder, check_traces, export_traces
from arpent.domain.boundary.span import record_with
from arpent.domain.boundary.trace import current_trace, read_trace, run_traced, spanned, trace_of
from arpent.domain.errors import InvalidSetting
from arpent.settings import Settings
from arpent.worker import check_places, for_workers
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


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arpent.adapters.traces.otlp", None)
    monkeypatch.setattr(sending, "_otlp_recorder", _otlp_recorder.__wrapped__)
    monkeypatch.setattr(sending, "_warn", cache(sending._warn.__wrapped__))


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_a_server_does_not_start() -> None:
    with pytest.raises(InvalidSetting, match=r"ARPENT_OTLP_ENDPOINT .* pip install 'arpent\[otel\]'"):
        check_traces("http://127.0.0.1:4318")
    check_traces(None)


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_commands_and_workers_go_on_and_say_so_once(caplog: pytest.LogCaptureFixture) -> None:
    asked = Settings(otlp_endpoint="http://127.0.0.1:4319", executor="processes:2")
    check_places(asked)
    theirs = for_workers(asked)
    assert theirs.otlp_endpoint is None, "its processes have what this one has, and would say the same again"
    export_traces(asked.otlp_endpoint, "reader")
    assert trace_of(None, None).parent.endswith("-00"), "nobody hears of spans"
    for_workers(asked)
    assert [record.message for record in caplog.records] == [
        "ARPENT_OTLP_ENDPOINT is set, but no traces are sent from here: pip install 'arpent[otel]'"
    ]
    cluster = Settings(otlp_endpoint="http://127.0.0.1:4319", executor="dask://127.0.0.1:1")
    assert for_workers(cluster).otlp_endpoint is not None, "workers of a cluster may have the library"


def test_with_the_extra_workers_send_to_the_same_collector() -> None:
    asked = Settings(otlp_endpoint="http://127.0.0.1:4319", executor="processes:2")
    assert for_workers(asked).otlp_endpoint == asked.otlp_endpoint


def test_nothing_is_loaded_where_no_collector_is_set() -> None:
    program = (
        "import arpent.wiring.server as w, arpent.server.app, sys; w.export_traces(None, 'server');"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
