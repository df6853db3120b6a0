"""Features: a summary of a features file as JSON, for the web page at `/`; an arpent extension."""

from __future__ import annotations

import numpy as np
import orjson
import shapely

from arpent.domain.crs import code
from arpent.domain.feature import Features


def render_features(features: Features) -> bytes:
    """Number of features, CRS, metres per unit of the CRS (null: degrees), and the extent in units of the CRS."""
    axis = features.crs.axis_info[0] if features.crs.axis_info else None
    metres = None if features.crs.is_geographic or axis is None else axis.unit_conversion_factor
    bounds = shapely.bounds(features.geometries)
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    extent = [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()] if len(bounds) else None
    number = code(features.crs)
    return orjson.dumps(
        {
            "features": len(features),
            "crs": None if number is None else f"EPSG:{number}",
            "name": features.crs.name,
            "metresPerUnit": metres,
            "bbox": extent,
        }
    )
