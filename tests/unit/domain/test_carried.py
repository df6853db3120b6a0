"""Geometries that were just read from WKB are passed on as that WKB."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.database.work.payload import pack, unpack
from arpent.domain.feature import Features

FEATURES = Features(
    crs=CRS.from_epsg(32633),
    ids=np.array([3, 4, 5]),
    identifiers=("a", None, "c"),
    geometries=np.array([shapely.box(0, 0, 1, 1), None, shapely.box(2, 2, 3, 4)], object),
)


def test_what_was_unpacked_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = pack(FEATURES)
    unpacked = unpack(payload)
    monkeypatch.setattr(shapely, "to_wkb", None)
    assert pack(unpacked) == payload
    again = pickle.loads(pickle.dumps(unpacked))
    assert [None if each is None else each.wkt for each in again.geometries] == [
        None if each is None else each.wkt for each in FEATURES.geometries
    ]


def test_some_of_them_carry_nothing_stale() -> None:
    unpacked = unpack(pack(FEATURES))
    some = unpacked.take(np.array([2]))
    assert pickle.loads(pickle.dumps(some)).geometries[0].equals(FEATURES.geometries[2])
    moved = replace(unpacked, geometries=FEATURES.geometries[::-1].copy(), wkb=None)
    assert pickle.loads(pickle.dumps(moved)).geometries[0].equals(FEATURES.geometries[2])
