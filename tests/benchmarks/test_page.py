"""The longest task of pages' main threads, out of a trace of the browser."""

from __future__ import annotations

import json

from benchmarks.page import longest_tasks


def test_only_tasks_of_main_threads_of_pages_count() -> None:
    def named(thread: int, name: str) -> dict[str, object]:
        return {"name": "thread_name", "pid": 1, "tid": thread, "args": {"name": name}}

    def task(thread: int, wall: int, processor: int) -> dict[str, object]:
        return {"name": "RunTask", "pid": 1, "tid": thread, "dur": wall, "tdur": processor}

    events = [
        named(7, "CrRendererMain"), named(8, "Compositor"), task(7, 120_000, 4_000), task(7, 50_000, 30_000),
        task(8, 900_000, 900_000), {"name": "Layout", "pid": 1, "tid": 7, "dur": 400_000},
    ]  # fmt: skip
    assert longest_tasks(json.dumps({"traceEvents": events}).encode()) == (120.0, 30.0)
    assert longest_tasks(b'{"traceEvents": []}') == (0.0, 0.0)
