"""Requests that a fuzzer (schemathesis) makes from the server's own OpenAPI document, right ones and wrong ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method",
)  # fmt: skip
"""What must hold: no 5xx, and nothing in an answer that the document does not say."""
AWAY = "503"
"""The one status above 499 that may come: something outside, named in the message, does not answer."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a run."""

    cases: int
    failures: list[str]
    """One text for each kind of failure, with the request that shows it again."""


def fuzz(url: str, token: str, folder: Path, *, examples: int, seconds: int, seed: int, paths: str = "") -> Found:
    """Run the fuzzer against a server. `examples`: of each operation and phase; `seconds`: at most; `paths`: only those
    that match this pattern."""
    report = folder / "report.json"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--header", f"Authorization: {token}",
        "--checks", ",".join(CHECKS), "--max-examples", str(examples), "--max-time", str(seconds), "--seed", str(seed),
        "--phases", "coverage,fuzzing", "--continue-on-failure", "--no-color", "--no-shrink", "--warnings", "off",
        "--generation-database", "none", "--report-json-path", str(report),
    ]  # fmt: skip
    if paths:
        command += ["--include-path-regex", paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=seconds + 600)
    told = re.search(r"Test cases:\s+(\d[\d,]*) generated", done.stdout)
    assert told is not None, done.stdout[-3000:] + done.stderr[-3000:]
    parts = re.split(r"^_{5,} .* _{5,}$", done.stdout.partition("= FAILURES =")[2], flags=re.MULTILINE)
    failures = [part.strip()[:2000] for part in parts[1:] if f"[{AWAY}]" not in part]
    if done.returncode not in (0, 1):
        failures.append(done.stdout[-2000:] + done.stderr[-2000:])
    return Found(cases=int(told[1].replace(",", "")), failures=failures)


def main() -> None:
    """`python -m tests.fuzz.schema URL TOKEN SECONDS`: a long run by hand."""
    url, token, seconds = sys.argv[1:4]
    found = fuzz(url, f"Bearer {token}", Path.cwd(), examples=10**6, seconds=int(seconds), seed=1)
    print(json.dumps({"cases": found.cases, "failures": found.failures}, indent=1))


if __name__ == "__main__":
    main()
