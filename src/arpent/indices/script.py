"""The evalscript of some indices: an output per index, and a mask for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from arpent.domain.errors import InvalidRequest
from arpent.indices.formulas import BANDS, INDICES
from arpent.indices.masks import MASKS

SCRIPT = """//VERSION=3
// {titles}
{mask_note}function setup() {{
  return {{
    input: [{{ bands: [{bands}] }}],
    output: [{outputs}, {{ id: "dataMask", bands: 1 }}]
  }};
}}

function evaluatePixel(samples) {{
  var {variables};
{mask}  return {{ {values}, dataMask: [{seen}] }};
}}
"""


def index_script(names: Sequence[str], collection: str, *, mask_clouds: bool) -> str:
    """An evalscript with the output `<name>` of one band B0 for each index. `collection`: its id, sentinel-2-l2a.
    Raises InvalidRequest for an index or a collection that is not known, and for clouds that cannot be told there."""
    if not names:
        raise InvalidRequest(f"No index is named; there is {', '.join(INDICES)}")
    for name in names:
        if name not in INDICES:
            near = get_close_matches(name, INDICES, 1)
            meant = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(INDICES)}"
            raise InvalidRequest(f"{name!r:.40} is no index that is known{meant}")
    bands = BANDS.get(collection)
    if bands is None:
        raise InvalidRequest(f"Indices are known for {', '.join(BANDS)}, not for {collection}: write an evalscript")
    for name in names:
        if lacking := [role for role in INDICES[name].roles if role not in bands]:
            raise InvalidRequest(f"{name} needs a band that {collection} lacks ({', '.join(lacking)})")
    cloud = MASKS.get(collection)
    if mask_clouds and cloud is None:
        raise InvalidRequest(f"No band of {collection} tells clouds; they are known for {', '.join(MASKS)}")
    names = list(dict.fromkeys(names))
    roles = list(dict.fromkeys(role for name in names for role in INDICES[name].roles))
    used = [bands[role] for role in roles] + ([cloud.band] if mask_clouds and cloud else [])
    variables = [f"{role} = samples.{bands[role]}" for role in roles]
    return SCRIPT.format(
        titles="; ".join(f"{name}: {INDICES[name].title}" for name in names) + f"; {collection}",
        mask_note=f"// {cloud.words}\n" if mask_clouds and cloud else "",
        bands=", ".join(f'"{band}"' for band in [*used, "dataMask"]),
        outputs=", ".join(f'{{ id: "{name}", bands: 1, sampleType: "FLOAT32" }}' for name in names),
        variables=", ".join(variables),
        mask=f"  var Q = samples.{cloud.band};\n  var clear = {cloud.clear};\n" if mask_clouds and cloud else "",
        values=", ".join(f"{name}: [{INDICES[name].expression}]" for name in names),
        seen="clear ? samples.dataMask : 0" if mask_clouds else "samples.dataMask",
    )
