"""Published cases of the real service, from the shared `golden.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def cases(folder: Path, kind: str) -> list[dict[str, Any]]:
    """All cases of one kind; there must be some."""
    found = [case for case in json.loads((folder / "golden.json").read_text("utf-8")) if case["kind"] == kind]
    assert found, f"golden.json has no case of kind {kind}"
    return found
