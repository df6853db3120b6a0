"""Index scripts: generates an evalscript for spectral indices, with one output per index and one mask for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from arpent.domain.errors import InvalidRequest
from arpent.evalscript.indices.bands import BANDS
from arpent.evalscript.indices.composites import COMPOSITES, Composite
from arpent.evalscript.indices.formulas import SpectralIndex, index_of, indices
from arpent.evalscript.indices.masks import MASKS, mask_band

USUAL = ("NDVI", "EVI", "SAVI", "NDWI", "NDMI", "NDREI", "GNDVI", "MSAVI", "NBR", "NDSI", "BI", "MNDWI")
"""The indices requested most often; lists show them first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexQuery:
    """Indices, collection, cloud mask and composite of a script."""

    index: Sequence[str]
    """Names of indices, in any case."""
    collection: str = "sentinel-2-l2a"
    """Id of the collection."""
    mask: str | None = None
    """Name of a cloud mask: scl, cld, qa_pixel, fmask; None: cloudy samples count, too."""
    composite: str | None = None
    """How the acquisitions of an interval become one value: max, min, mean, median; None: the acquisition that the
    request's mosaicking order puts first."""
    constants: Mapping[str, float] = field(default_factory=dict)
    """Name of a constant in formulas → value to use instead of its default."""


def index_script(query: IndexQuery) -> str:
    """A commented evalscript with one output of one band per index, named like the index in lower case. Raises
    InvalidRequest for unknown names, and for an index or a mask whose bands the collection lacks."""
    chosen = _chosen(query)
    roles = BANDS[query.collection]
    cloud = None if query.mask is None else mask_band(query.mask, query.collection)
    if query.composite is not None and query.composite not in COMPOSITES:
        raise InvalidRequest(f"The composite {query.composite!r:.40} is not known: write {', '.join(COMPOSITES)}")
    composite = COMPOSITES.get(query.composite or "")
    used = [*(roles[role] for index in chosen for role in index.roles), *filter(None, [cloud]), "dataMask"]
    parts = [
        "//VERSION=3",
        f"// {', '.join(index.name for index in chosen)} of {query.collection}.\n",
        _setup(chosen, list(dict.fromkeys(used)), composite),
        *(_function(index) for index in chosen),
        _seen(query.mask, cloud),
        _evaluate(chosen, roles, composite),
    ]
    return "\n".join(parts)


def available(index: SpectralIndex, collection: str) -> bool:
    """Whether the collection has the bands of the index, and all constants of the index have values."""
    bands = BANDS.get(collection, {})
    return all(role in bands for role in index.roles) and None not in index.constants.values()


def indices_of(collection: str) -> Sequence[SpectralIndex]:
    """The indices that can be computed from a collection's bands: the usual ones first, then the others by name."""
    found = [index for index in indices().values() if available(index, collection)]
    rank = {name: number for number, name in enumerate(USUAL)}
    return sorted(found, key=lambda index: (rank.get(index.name, len(rank)), index.output))


def _chosen(query: IndexQuery) -> tuple[SpectralIndex, ...]:
    if not query.index:
        raise InvalidRequest("No index is named: write ndvi, for example; see `arpent script list`")
    chosen = {index.name: index.using(query.constants) for index in map(index_of, query.index)}
    bands = BANDS.get(query.collection)
    if bands is None:
        raise InvalidRequest(
            f"Indices are known for {', '.join(BANDS)}, not for {query.collection}: write an evalscript"
        )
    for index in chosen.values():
        if lacking := [role for role in index.roles if role not in bands]:
            raise InvalidRequest(f"{index.name} needs a band that {query.collection} lacks ({', '.join(lacking)})")
        if unset := [name for name, value in index.constants.items() if value is None]:
            raise InvalidRequest(f"{index.name} needs a value of {', '.join(unset)}: give --constant {unset[0]}=NUMBER")
    known = {name for index in chosen.values() for name in index.constants}
    if surplus := sorted(set(query.constants) - known):
        there = f"known: {', '.join(sorted(known))}" if known else "there are none"
        raise InvalidRequest(f"No index has the constant {surplus[0]!r:.40}; {there}")
    return tuple(chosen.values())


def _setup(chosen: Sequence[SpectralIndex], bands: Sequence[str], composite: Composite | None) -> str:
    outputs = [f'      {{ id: "{index.output}", bands: 1, sampleType: "FLOAT32" }},' for index in chosen]
    names = ", ".join(f'"{band}"' for band in bands)
    scenes = ['    mosaicking: "ORBIT", // every acquisition of an interval, not only the first'] if composite else []
    return "\n".join([
        "function setup() {",
        "  return {",
        f"    input: [{{ bands: [{names}] }}],",
        *scenes,
        "    output: [",
        *outputs,
        '      { id: "dataMask", bands: 1 }',
        "    ]",
        "  };",
        "}\n",
    ])  # fmt: skip


def _function(index: SpectralIndex) -> str:
    constants = [f"  var {name} = {value!r};" for name, value in index.constants.items()]
    return "\n".join([
        f"// {_plain(index.title)} ({_plain(index.domain)}): {index.formula}",
        f"// {_plain(index.reference)}",
        f"function {_name(index)}({', '.join(index.roles)}) {{",
        *constants,
        f"  return {index.expression};",
        "}\n",
    ])  # fmt: skip


def _seen(mask: str | None, band: str | None) -> str:
    if mask is None:
        return "function isClear(sample) {\n  return sample.dataMask == 1;\n}\n"
    rule = MASKS[mask]
    return "\n".join([
        f"// {rule.words}.",
        "function isClear(sample) {",
        f"  var Q = sample.{band};",
        f"  return sample.dataMask == 1 && ({rule.clear});",
        "}\n",
    ])  # fmt: skip


def _evaluate(chosen: Sequence[SpectralIndex], roles: Mapping[str, str], composite: Composite | None) -> str:
    calls = {
        index.output: f"{_name(index)}({', '.join(f'sample.{roles[role]}' for role in index.roles)})"
        for index in chosen
    }
    return "\n".join(_first(calls) if composite is None else _all(calls, composite))


def _first(calls: Mapping[str, str]) -> Iterator[str]:
    """Lines of evaluatePixel for a single acquisition."""
    yield "function evaluatePixel(sample) {"
    yield "  return {"
    yield from (f"    {output}: [{call}]," for output, call in calls.items())
    yield "    dataMask: [isClear(sample) ? 1 : 0]"
    yield "  };"
    yield "}\n"


def _all(calls: Mapping[str, str], composite: Composite) -> Iterator[str]:
    """Lines of evaluatePixel for all acquisitions of an interval."""
    if composite.function:
        yield composite.function
    yield f"// {composite.words}"
    yield "function evaluatePixel(samples) {"
    yield "  var clear = 0;"
    yield from (f"  var {composite.start.format(total=f'{output}_')};" for output in calls)
    yield "  for (var i = 0; i < samples.length; i++) {"
    yield "    var sample = samples[i];"
    yield "    if (isClear(sample)) {"
    yield "      clear = clear + 1;"
    for output, call in calls.items():
        step = composite.step.format(total=f"{output}_", value=f"{output}_now")
        yield f"      var {output}_now = {call};"
        yield f"      if (isFinite({output}_now)) {{ {step} }}"
    yield "    }"
    yield "  }"
    yield "  return {"
    yield from (f"    {output}: [{composite.end.format(total=f'{output}_')}]," for output in calls)
    yield "    dataMask: [clear > 0 ? 1 : 0]"
    yield "  };"
    yield "}\n"


def _name(index: SpectralIndex) -> str:
    """Name of the index's function in the script; no built-in function has such a name."""
    return f"{index.name}_of"


def _plain(text: str) -> str:
    """The text on one line, for a comment."""
    return " ".join(text.split())


def index_offers(collections: Iterable[str]) -> list[dict[str, object]]:
    """For each collection, by id: indices that its bands allow, usual ones first; and whether clouds can be masked."""
    masked = {collection for mask in MASKS.values() for collection in mask.bands}
    return [
        {
            "id": name,
            "indices": [{"id": each.output, "title": each.title} for each in indices_of(name)],
            "masks": name in masked,
        }
        for name in sorted(collections)
    ]
