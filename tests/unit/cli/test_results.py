"""The table of a job's result files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arpent.cli.results import collect
from arpent.domain.errors import InvalidRequest
from arpent.settings import Settings

FAILED = json.dumps({"id": 3, "identifier": "north", "error": {"type": "EXECUTION_ERROR"}})


def test_a_file_of_a_feature_that_holds_no_result_is_named(tmp_path: Path) -> None:
    """Its rows would be missing without a word; reports and other files beside the results have other names."""
    (tmp_path / "3.json").write_text(FAILED)
    (tmp_path / "report.json").write_text("{}")
    assert collect(Settings(), str(tmp_path)).num_rows == 1
    (tmp_path / "4.json").write_text("{}")
    with pytest.raises(InvalidRequest, match=r"4\.json is not a result file: it has no `id`"):
        collect(Settings(), str(tmp_path))
