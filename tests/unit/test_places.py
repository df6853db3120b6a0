"""What is asked at a start of the machine's own variables: those that become part of addresses and headers."""

from __future__ import annotations

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
