"""What is asked at a start of the machine's own variables: those that become part of addresses and headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.domain.errors import InvalidSetting
from arpent.settings import Settings
from arpent.worker import check_places


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_REGION", "x@127.0.0.1:9/"), ("AWS_DEFAULT_REGION", "eu west"), ("AWS_ACCESS_KEY_ID", "AKIA\nx: y"),
        ("AWS_SECRET_ACCESS_KEY", "TOPSECRET\n"), ("AWS_ENDPOINT_URL_S3", "localhost:9000"),
    ],
)  # fmt: skip
def test_a_variable_that_leads_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match=f"^{variable} .*must be|have") as caught:
        check_places(Settings())
    assert "TOPSECRET" not in str(caught.value)


def test_usual_variables_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "AWS_REGION": "RegionOne", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "a/+=b",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    check_places(Settings())


def test_the_folder_of_ranges_may_hold_other_files_but_must_be_a_folder(tmp_path: Path) -> None:
    settings = Settings(cache=f"{tmp_path}:1GB")
    (tmp_path / "other").write_text("kept")
    check_places(settings)
    (tmp_path / "arpent-ranges").write_text("in the way")
    with pytest.raises(InvalidSetting, match="arpent-ranges, which is not a folder"):
        check_places(settings)
