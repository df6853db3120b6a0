"""`arpent sources`: the table of sources, and a test of each catalogue and source that says what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from arpent import worker
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import presets
from arpent.domain.errors import ArpentError, BucketNotFound, InvalidRequest, StorageNotFound, WorldError
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.location import Location
from arpent.domain.ports.imagery import Block
from arpent.engine.services import Services
from arpent.network.access import AccessFailed
from arpent.network.source import ArchiveSource
from arpent.settings import Settings
from arpent.wire.iso import parse_instant

SOMEWHERE = (11.35, 46.5)
"""Longitude and latitude of a place of which most archives have images."""
SIDE = 0.01
"""Side of the box that is searched, in degrees."""
ABSENT = "arpent-sources-check"
"""A key that no bucket has: a bucket that reports this has granted access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessCheck:
    """One step that was tried, and its outcome."""

    name: str
    """Name of the catalogue or source."""
    step: str
    """The step: search, header, block, login, keys or bucket."""
    well: bool
    words: str

    @property
    def line(self) -> str:
        return f"{self.name}\t{self.step}\t{'ok' if self.well else 'FAILED'}\t{self.words}"

    @property
    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSearch:
    """What images are searched for."""

    collection: str | None
    at: tuple[float, float] | None
    interval: Interval

    @classmethod
    def of(cls, collection: str | None, at: str | None, start: str, end: str) -> ItemSearch:
        """The search that the options describe. Raises InvalidRequest if an option cannot be read."""
        try:
            place = None if at is None else tuple(float(part) for part in at.split(","))
        except ValueError:
            place = ()
        if place is not None and (len(place) != 2 or not (abs(place[0]) <= 180 and abs(place[1]) <= 90)):
            raise InvalidRequest(f"--at is {at!r:.40}, but must be longitude and latitude, such as 11.35,46.5")
        first, last = parse_instant(start, "--from"), parse_instant(end, "--to")
        if last <= first:
            raise InvalidRequest("--to must be later than --from")
        return cls(collection=collection, at=place, interval=Interval(start=first, end=last))


def source_lines(settings: Settings) -> dict[str, str]:
    """Name of each source → what it is for, and how it is opened; contains no secret."""
    return {
        source.name: f"{' '.join(source.match or ())}\t{_how(source)}"
        for source in worker.access_of(settings).table.sources
    }


def access_checks(settings: Settings, search: ItemSearch) -> Iterator[AccessCheck]:
    """Test catalogues, with an image of each, and then sources, one after another. Raises InvalidSetting."""
    worker.check_places(settings)
    access = worker.access_of(settings)
    catalogs = {"": settings.catalog} if settings.catalog else {}
    for collection, address in {**catalogs, **settings.catalogs}.items():
        alone = settings.model_copy(update={"catalog": address, "catalogs": {}})
        wanted = [collection] if collection else [search.collection] if search.collection else None
        yield from _catalog(address, worker.services_of(alone), wanted, search)
    for source in access.table.sources:
        yield from _source(source, access, settings)


def _catalog(address: str, services: Services, wanted: list[str] | None, search: ItemSearch) -> Iterator[AccessCheck]:
    own = presets()[address].at if address in presets() else None
    at = search.at or own or SOMEWHERE
    box = (at[0] - SIDE / 2, at[1] - SIDE / 2, at[0] + SIDE / 2, at[1] + SIDE / 2)
    known = list({one.id: one for one in services.collections.values()}.values())
    chosen = [services.collections[name] for name in wanted if name in services.collections] if wanted else known
    if not chosen:
        raise InvalidRequest(f"there is no collection {' '.join(wanted or ())!r}: see `arpent collections`")
    failure = None
    for collection in _by_use(chosen):
        try:
            items = services.catalog.search(collection, search.interval, box)
        except WorldError as error:
            failure = failure or error
            if error.transient:  # the others would wait just as long
                break
            continue
        if items:
            words = f"{len(items)} items of {collection.id} at {at[0]:g},{at[1]:g}"
            yield AccessCheck(name=address, step="search", well=True, words=words)
            yield from _image(address, items[0], services)
            return
    words = (
        str(failure) if failure else f"it answers, but has no item at {at[0]:g},{at[1]:g}: try --at, --from and --to"
    )
    yield AccessCheck(name=address, step="search", well=False, words=words)


def _by_use(collections: list[Collection]) -> list[Collection]:
    """Collections with Sentinel-2 first, because most archives have it."""
    return sorted(collections, key=lambda one: (one.id != "sentinel-2-l2a", one.id))


def _image(address: str, item: Item, services: Services) -> Iterator[AccessCheck]:
    if not item.assets:
        yield AccessCheck(name=address, step="header", well=False, words=f"item {item.id} has no image of a known band")
        return
    asset = next(iter(item.assets.values()))
    step, href = "header", asset.href
    try:
        raster = services.reader.describe(href, asset.georeference)
        name = href.partition("?")[0]
        words = f"{name}: {raster.width} x {raster.height}, {raster.dtype}"
        yield AccessCheck(name=address, step=step, well=True, words=words)
        step = "block"
        block = Block(level=len(raster.levels) - 1, row=0, column=0)
        for _, _, pixels in services.reader.read([(href, [block])]):
            yield AccessCheck(name=address, step=step, well=True, words=f"{pixels.shape[1]} x {pixels.shape[0]} pixels")
    except ArpentError as error:
        yield AccessCheck(name=address, step=step, well=False, words=str(error))


def _source(source: ArchiveSource, access: TableAccess, settings: Settings) -> Iterator[AccessCheck]:
    """Test a source's keys and, if its bucket is named in full, whether it grants access."""
    for match in source.match or ():
        step = "bucket" if match.startswith("s3:") else "login"
        try:
            words = _bucket(match, access, settings) if step == "bucket" else _login(source, match, access)
        except (ArpentError, AccessFailed) as error:
            yield AccessCheck(name=source.name, step=step, well=False, words=f"{match}: {error}")
        else:
            yield AccessCheck(name=source.name, step=step, well=True, words=f"{match}: {words}")


def _bucket(match: str, access: TableAccess, settings: Settings) -> str:
    parts = urlsplit(match)
    way = access.bucket(match)
    if way.keys is not None:
        way.keys()
    if "*" in parts.netloc:
        return "its buckets are tried by images of theirs"
    location = Location(scheme="s3", bucket=parts.netloc, key=f"{parts.path.strip('/')}/{ABSENT}".lstrip("/"))
    try:
        worker.objects(settings.model_copy(update={"buckets": None})).read(location)
    except BucketNotFound:
        raise
    except StorageNotFound:
        pass
    return "it lets us in"


def _login(source: ArchiveSource, match: str, access: TableAccess) -> str:
    if source.sas_url is not None:
        return "containers are signed for when images are read"
    asked = access.request(match.replace("://*.", "://"))
    return "there is a login" if asked.headers else "it is asked without a login"


def _how(source: ArchiveSource) -> str:
    given = source.model_dump(exclude_none=True, exclude={"name", "match"})
    return ", ".join(f"{name} {value}" for name, value in given.items())
