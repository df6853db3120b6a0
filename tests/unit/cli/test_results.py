"""The table of a job's result files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from arpent.cli.main import app
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


@pytest.mark.parametrize(
    ("option", "module", "writes"), [("--csv", pyarrow.csv, "write_csv"), ("--parquet", pq, "write_table")]
)
def test_a_table_that_cannot_be_written_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, module: object, writes: str
) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "3.json").write_text(FAILED)
    target = tmp_path / "table"
    target.write_text("before")

    def full(table: pa.Table, path: Path, **_: object) -> None:
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, writes, full)
    done = CliRunner().invoke(app, ["results", str(tmp_path / "job"), option, str(target)])
    assert (done.exit_code, target.read_text()) == (2, "before"), done.output
    assert f"{target}: No space left on device" in done.output.replace("\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "table"]
