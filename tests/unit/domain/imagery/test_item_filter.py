"""Item filters: what the value of a request takes of what items say."""

from __future__ import annotations

import pytest

from arpent.domain.imagery.item_filter import VARIANT, ItemFilter

POLARIZATION = ItemFilter(
    properties=("sar:polarizations",),
    id_pattern="_1S(DV|SV)_",
    values={"DV": ("VV+VH", "DV"), "SV": ("VV", "SV"), "ALL": ("*",)},
)


@pytest.mark.parametrize(
    ("value", "properties", "identity", "expected"),
    [
        ("DV", {"sar:polarizations": ["VV", "VH"]}, "x", True),
        ("DV", {"sar:polarizations": ["vh", "vv"]}, "x", True),
        ("SV", {"sar:polarizations": ["VV", "VH"]}, "x", False),
        ("SV", {"sar:polarizations": ["VV"]}, "x", True),
        ("DV", {"sar:polarizations": ["VV"]}, "x", False),
        ("DV", {}, "S1A_IW_GRDH_1SDV_2024", True),
        ("SV", {}, "S1A_IW_GRDH_1SDV_2024", False),
        ("DV", {"sar:polarizations": ["VV"]}, "S1A_IW_GRDH_1SDV_2024", False),
        ("DV", {}, "tile", None),
        ("DV", {"sar:polarizations": []}, "tile", None),
        ("DV", {"sar:polarizations": [1, 2]}, "tile", None),
        ("ALL", {}, "tile", True),
    ],
)
def test_a_set_of_words(value: str, properties: dict[str, object], identity: str, expected: bool | None) -> None:
    assert POLARIZATION.takes(value, properties, identity, "") is expected


def test_case_and_hyphens_do_not_count() -> None:
    timeliness = ItemFilter(properties=("a", "b"), values={"NRT3h": ("NRT3h",), "Offline": ("Offline",)})
    assert timeliness.takes("NRT3h", {"b": "NRT-3h"}, "", "") is True
    assert timeliness.takes("Offline", {"a": "Off-line"}, "", "") is True
    assert timeliness.takes("NRT3h", {"a": "Fast-24h", "b": "NRT-3h"}, "", "") is False


def test_the_variant_is_told_by_the_collection() -> None:
    constellation = ItemFilter(properties=(VARIANT,), values={"LANDSAT": ("L30",)})
    assert constellation.takes("LANDSAT", {}, "", "L30") is True
    assert constellation.takes("LANDSAT", {}, "", "S30") is False
    assert constellation.takes("LANDSAT", {}, "", "") is None
