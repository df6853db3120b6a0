"""`arpent script check`: finds out all that is possible about a script without imagery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arpent.domain.errors import InvalidRequest, ScriptError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Input, Mosaicking
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.domain.ports.scripts import ScriptRuntime, ScriptSession
from arpent.domain.request import Source
from arpent.engine.analysis.dry_run_scenes import made_up_scenes
from arpent.engine.analysis.script_dry_run import attempt
from arpent.engine.band_bindings import bind_input
from arpent.evalscript.lint import Gravity, Remark, callable_names, lint, undefined
from arpent.evalscript.names import suggestion
from arpent.evalscript.scenes import source_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of checking a script."""

    evalscript: Evalscript | None
    """What setup() declares; None if it is invalid."""
    collections: tuple[str, ...]
    """For each input, the collection it was checked against; `?` if none was named and none fits."""
    remarks: tuple[Remark, ...]
    """Remarks, errors first."""
    log: tuple[str, ...]
    """Lines that the script wrote with console.log in the dry run."""

    @property
    def refused(self) -> bool:
        """Whether a job with this script would be refused."""
        return any(remark.gravity is Gravity.ERROR for remark in self.remarks)


def inspect(
    source: str, runtime: ScriptRuntime, named: Sequence[str], collections: Mapping[str, Collection]
) -> Inspection:
    """Check a script. `runtime` must accept scripts without a dataMask output. `named`: collections in the order of the
    inputs, or as `datasource=collection`, or one for all inputs. `collections`: by id and alias. Raises InvalidRequest
    for an unknown name."""
    known = {collection.id: collection for collection in collections.values()}
    try:
        with runtime.open(source) as session:
            evalscript = session.evalscript
            chosen = _chosen(evalscript, named, collections, tuple(known.values()))
            remarks = lint(evalscript, {key: one for key, one in chosen.items() if one is not None})
            tried, log = _tried(session, evalscript, chosen)
    except ScriptError as error:
        return Inspection(evalscript=None, collections=(), remarks=(_as_remark(error, source),), log=())
    thrown = {(remark.line, remark.undefined) for remark in tried if remark.undefined}
    kept = tuple(remark for remark in remarks if (remark.line, remark.undefined) not in thrown)
    return Inspection(
        evalscript=evalscript,
        collections=tuple("?" if one is None else one.id for one in chosen.values()),
        remarks=tuple(sorted((*kept, *tried), key=lambda remark: remark.gravity is not Gravity.ERROR)),
        log=log,
    )


def _as_remark(error: ScriptError, source: str, gravity: Gravity = Gravity.ERROR) -> Remark:
    if error.undefined:
        return undefined(error.undefined, callable_names(source), gravity, error.line, error.column)
    return Remark(gravity=gravity, message=str(error.args[0]), line=error.line, column=error.column)


# ---- which collection


def _chosen(
    evalscript: Evalscript, named: Sequence[str], collections: Mapping[str, Collection], known: Sequence[Collection]
) -> dict[str, Collection | None]:
    keys = source_keys(evalscript)
    by_key = dict(word.split("=", 1) for word in named if "=" in word)
    in_order = [word for word in named if "=" not in word]
    unknown = sorted(set(by_key) - set(keys))
    if unknown:
        raise InvalidRequest(f"--collection {unknown[0]}=…: the script's inputs are {', '.join(keys)}")
    chosen: dict[str, Collection | None] = {}
    for number, (key, entry) in enumerate(zip(keys, evalscript.inputs, strict=True)):
        word = by_key.get(key) or (in_order[min(number, len(in_order) - 1)] if in_order else None)
        if word is not None and word not in collections:
            raise InvalidRequest(f"--collection: '{word}' is not known; known: {', '.join(_ids(known))}")
        chosen[key] = _likeliest(entry, known) if word is None else collections[word]
    return chosen


def _ids(known: Sequence[Collection]) -> list[str]:
    return sorted(collection.id for collection in known)


def _likeliest(entry: Input, known: Sequence[Collection]) -> Collection | None:
    """The collection with the most of the input's bands, then units, then similar band names; None if none has any."""

    def fit(collection: Collection) -> tuple[int, int, int]:
        there = [
            (collection.bands[band], unit)
            for band, unit in zip(entry.bands, entry.units, strict=True)
            if band in collection.bands
        ]
        alike = sum(suggestion(band, [*collection.bands]) != "" for band in entry.bands if band != DATA_MASK)
        return len(there), sum(band.unit(unit) is not None for band, unit in there), alike

    best = max(sorted(known, key=lambda one: one.id, reverse=True), key=fit, default=None)
    return best if best is not None and (any(fit(best)) or set(entry.bands) == {DATA_MASK}) else None


# ---- the dry run


def _tried(
    session: ScriptSession, evalscript: Evalscript, chosen: Mapping[str, Collection | None]
) -> tuple[tuple[Remark, ...], tuple[str, ...]]:
    bindings = [
        bind_input(entry, Source(id=key, collection="trial"), _complete(entry, chosen[key]))
        for key, entry in zip(source_keys(evalscript), evalscript.inputs, strict=True)
    ]
    answer, before = attempt(session, bindings, made_up_scenes(bindings))
    thrown = dict.fromkeys([fault for _, fault in before] if answer is None else answer.failures.values())
    different = {str(error): error for error in thrown}.values()
    scened = any(entry.mosaicking is not Mosaicking.SIMPLE for entry in evalscript.inputs)
    refused = answer is None and (not scened or all(error.undefined for error in different))
    gravity = Gravity.ERROR if refused else Gravity.WARNING
    faults = tuple(_as_remark(error, evalscript.source, gravity) for error in different)
    if answer is None:
        return faults, ()
    gaps = (Remark(gravity=Gravity.WARNING, message=f"{gap} of the trial") for gap in answer.gaps)
    return (*faults, *gaps), answer.log


def _complete(entry: Input, collection: Collection | None) -> Collection:
    """The collection with all bands that the input asks for added, because missing bands are reported elsewhere."""
    given = {} if collection is None else dict(collection.bands)
    for name, unit in zip(entry.bands, entry.units, strict=True):
        if name not in given or given[name].unit(unit) is None:
            units = (Unit(name=unit or "REFLECTANCE", scale=0.0001),)
            given[name] = Band(name=name, assets=(), units=units)
    return Collection(id="trial", aliases=(), stac_collections=(), bands=given)
