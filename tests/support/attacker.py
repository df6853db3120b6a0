"""A client that does many things over and over, in a process of its own; reads what from a file, ends with its input.

`python attacker.py FILE`: a JSON list of {"url", "headers", "body" (null: GET), "seconds"}, each done by THREADS
threads. Prints how often which status came.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

THREADS = 3


def repeat(what: dict[str, Any], stop: threading.Event, statuses: Counter[int]) -> None:
    payload = None if what["body"] is None else json.dumps(what["body"]).encode()
    while not stop.is_set():
        with suppress(requests.Timeout, requests.ConnectionError):  # it hangs up by itself, too
            method = "GET" if payload is None else "POST"
            answer = requests.request(
                method, what["url"], data=payload, headers=what["headers"], timeout=what["seconds"]
            )
            statuses[answer.status_code] += 1


def main() -> None:
    stop, statuses = threading.Event(), Counter[int]()
    threads = [
        threading.Thread(target=repeat, args=(what, stop, statuses), daemon=True)
        for what in json.loads(Path(sys.argv[1]).read_text())
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    print(json.dumps(statuses))


if __name__ == "__main__":
    main()
