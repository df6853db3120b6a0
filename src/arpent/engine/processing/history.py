"""History: which numbers of a partition an earlier request has computed already, and fingerprints of all that numbers
depend on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from arpent import __version__
from arpent.domain.boundary.address_names import unsigned_name
from arpent.domain.evalscript import Evalscript, SampleType
from arpent.domain.feature import Features
from arpent.domain.imagery.item import Asset, CalibrationFile, Item
from arpent.domain.interval import Interval
from arpent.domain.ports.earlier import EarlierRows
from arpent.domain.request import Request
from arpent.domain.result import Fingerprints, IntervalResult
from arpent.engine.band_bindings import BandBinding
from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.services import Services
from arpent.raster.mosaic import bands_read
from arpent.zonal.bins.edges import prints_integers

SIZE = 16
"""Bytes of a feature's fingerprint."""
FACTOR, OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)
"""Factors of the hashes: odd, so that multiplication by them never maps two states to one."""


class History:
    """The fingerprints of a partition's features and the numbers that need not be computed. Made by `history_of`."""

    def __init__(
        self, request: str, features: NDArray[np.uint8], bindings: Sequence[BandBinding], rows: EarlierRows | None
    ) -> None:
        """`request`, `features` (n, 16): fingerprints; `rows`: results of the earlier request, if there is one."""
        self._bindings, self._rows = bindings, rows
        self._states: dict[Interval, NDArray[np.uint64]] = {}
        self.fingerprints = Fingerprints(request=request, features=features, states=self._states)
        """Fingerprints of the request, the features and all intervals marked so far."""
        self.kept = np.zeros(len(features), np.int64)
        """(n,): number of intervals of each feature that need not be computed."""

    def mark(self, found: IntervalAcquisitions) -> IntervalAcquisitions:
        """The interval, with `kept` set to the features that need not be computed."""
        if found.error is not None:
            return found
        states = self._states[found.interval] = interval_states(found, self._bindings)
        if self._rows is None:
            return found
        kept = self._rows.known(found.interval, states) & found.present
        self.kept += kept
        return replace(found, kept=kept)

    def results(self, found: IntervalAcquisitions) -> Iterator[IntervalResult]:
        """The results of the earlier request for the features that need not be computed."""
        if self._rows is not None and found.kept is not None and found.kept.any():
            items = [item.id for one in found.inputs for item in one.items]
            yield from self._rows.results(found.interval, found.kept, items)


def history_of(
    request: Request,
    features: Features,
    bindings: Sequence[BandBinding],
    evalscript: Evalscript,
    services: Services,
) -> History | None:
    """The History of these features; None if fingerprints are neither written nor compared. Raises StorageDenied,
    StorageUnavailable."""
    if services.synchronous is not None or (services.fingerprints is None and services.earlier is None):
        return None
    asked, geometries = request_fingerprint(request, evalscript, bindings), feature_fingerprints(features)
    rows = None
    if services.earlier is not None:
        types = {output.id: output.sample_type for output in evalscript.outputs}

        def integer(output: str, band: str) -> bool:
            wish = request.calculations.of(output, band).histogram
            return wish is not None and prints_integers(wish, types.get(output, SampleType.FLOAT32))

        rows = services.earlier.rows_of(asked, geometries, request.calculations, integer)
    return History(asked, geometries, bindings, rows)


def request_fingerprint(request: Request, evalscript: Evalscript, bindings: Sequence[BandBinding]) -> str:
    """Hexadecimal fingerprint of everything that is common to all features and intervals: the version of arpent, the
    script, its inputs with their collections and filters, the sampling, and the calculations."""
    told = (__version__, evalscript.source, bindings, request.sampling, request.pixels, request.calculations)
    return _digest(repr(told).encode(errors="surrogatepass"), SIZE).hex()


def feature_fingerprints(features: Features) -> NDArray[np.uint8]:
    """(n, 16): fingerprint of each geometry, together with its CRS."""
    seeds = np.frombuffer(_digest(features.crs.to_wkt().encode(), SIZE), "<u8").astype(np.uint64)
    vertices, rings, polygons = features.rings
    words = np.ascontiguousarray(vertices, np.float64).view(np.uint64)
    found = np.empty((len(features), 2), np.uint64)
    _mix(words, rings, polygons, seeds, found)
    return found.astype("<u8").view(np.uint8)


def interval_states(found: IntervalAcquisitions, bindings: Sequence[BandBinding]) -> NDArray[np.uint64]:
    """(n,): hash of the items that reach each feature, in mosaicking order, with their metadata from the catalogue;
    never 0. If an image is replaced without a change in the catalogue, the hash stays the same."""
    states = np.ones(len(found.present), np.uint64)
    for binding, one in zip(bindings, found.inputs, strict=True):
        states = states * FACTOR + np.uint64(1)
        for item, reached in zip(one.items, one.reach, strict=True):
            mark = np.uint64(int.from_bytes(_digest(_described(item, binding), 8), "little"))
            mixed = (states ^ mark) * FACTOR
            states = np.where(reached, mixed ^ (mixed >> np.uint64(29)), states)
    return np.where(states == 0, np.uint64(1), states)


@njit(cache=True, nogil=True)
def _mix(
    words: NDArray[np.uint64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    found: NDArray[np.uint64],
) -> None:
    """Write two hashes for each feature into `found` (n, 2), computed from the bits of its vertices, `words` (V, 2),
    and the length of each ring. Every step can be inverted, so that a change of one bit always changes the hashes; the
    last steps spread the change. The hash is not cryptographic: someone may construct two features with equal hashes,
    but only in their own file, where it harms no one else."""
    for feature in range(len(polygons) - 1):
        one, two = seeds[0], seeds[1]
        for ring in range(polygons[feature], polygons[feature + 1]):
            length = np.uint64(rings[ring + 1] - rings[ring])
            if length == 0:  # an empty polygon has one empty ring or none
                continue
            one, two = (one ^ length) * FACTOR, (two + length) * OTHER
            for vertex in range(rings[ring], rings[ring + 1]):
                for word in words[vertex]:
                    one = (one ^ word) * FACTOR
                    one ^= one >> np.uint64(32)
                    two = (two + word) * OTHER
                    two ^= two >> np.uint64(29)
        found[feature, 0], found[feature, 1] = _spread(one), _spread(two)


@njit(cache=True, nogil=True, inline="always")
def _spread(number: np.uint64) -> np.uint64:
    """Mix a number so that each bit of the result depends on all bits of the number."""
    for _ in range(2):
        number = (number ^ (number >> np.uint64(33))) * OTHER
    return number ^ (number >> np.uint64(33))


def _described(item: Item, binding: BandBinding) -> bytes:
    """Everything about an item that may change the numbers or what the script sees. Joined items are included only if
    one of their bands is read."""
    read = [one.band.name for one in bands_read(binding.requests, binding.collection)]
    assets = [(name, _unsigned(item.assets.get(name))) for name in read]
    joined = [_described(one, binding) for one in item.joined if any(name in one.assets for name in read)]
    told = (
        item.id, item.collection, item.instant, item.created, item.last, item.cloud_cover, item.variant,
        unsigned_name(item.href), assets, sorted(item.properties.items()), joined,
    )  # fmt: skip
    return repr(told).encode(errors="surrogatepass") + shapely.to_wkb(item.footprint)


def _unsigned(asset: Asset | None) -> Asset | None:
    """The asset without signatures in its hrefs, which an API may renew in each answer."""
    if asset is None:
        return None
    told = {
        rule: replace(each, href=unsigned_name(each.href)) if isinstance(each, CalibrationFile) else each
        for rule, each in asset.calibrations.items()
    }
    return replace(asset, href=unsigned_name(asset.href), calibrations=told)


def _digest(content: bytes, size: int) -> bytes:
    return blake2b(content, digest_size=size).digest()
