"""The data collections of the official client, each with a made-up item as its archive would tell it and what its bands
must give, and the table of them in docs/collections.md: `python -m tests.support.data_collections` prints it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinelhub import DataCollection

Band = tuple[str, str, float, float]
"""Asset key, type of its pixels, stored number, value in the band's first unit."""

SUN = {"view:sun_elevation": 30.0}
"""Half of the light: reflectance at the top of the atmosphere is twice the linear number."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One item."""

    stac: str
    """Its `collection`."""
    bands: Mapping[str, Band]
    """By name in a script."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Beside datetime."""
    raster: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Asset key → its raster:bands[0]."""
    id: str = "item"
    """Its id."""
    others: tuple[Mapping[str, Any], ...] = ()
    """Properties of further items of the same place, newer and with other pixels, that the request must leave out."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A data collection that works."""

    archives: str
    """Who serves it in a form that arpent reads."""
    made: tuple[Made, ...]
    """Items, each asked for with its bands."""


def _s2(level: str, **more: Band) -> Made:
    names = {
        "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
        "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
    }  # fmt: skip
    bands = {name: (key, "uint16", 3000.0 + 100 * n, 0.2 + 0.01 * n) for n, (name, key) in enumerate(names.items())}
    properties = {"s2:processing_baseline": "05.11", "s2:product_type": f"S2MSI{level}", "eo:cloud_cover": 3.0}
    return Made(stac=f"sentinel-2-l{level.lower()}", bands=bands | more, properties=properties)


def _s1(mode: str, polarizations: tuple[str, ...], orbit: str, resolution: str) -> Made:
    bands = {name: (name.lower(), "float32", 0.25 + n, 0.25 + n) for n, name in enumerate(polarizations)}
    own = {
        "sar:instrument_mode": mode, "sar:polarizations": list(polarizations), "sat:orbit_state": orbit,
        "s1:resolution": resolution, "s1:product_timeliness": "NRT-3h",
    }  # fmt: skip
    return Made(stac="sentinel-1-rtc", bands=bands, properties=own)


def _other_s1(made: Made, **changes: Any) -> Made:
    others = tuple({**made.properties, name.replace("__", ":"): value} for name, value in changes.items())
    return Made(stac=made.stac, bands=made.bands, properties=made.properties, others=others)


def _radar(mode: str, polarizations: tuple[str, ...], orbit: str = "") -> Made:
    resolution = "high" if mode == "IW" else "medium"
    made = _s1(mode, polarizations, orbit or "descending", resolution)
    wrong = {"sar__instrument_mode": "EW" if mode == "IW" else "IW", "s1__resolution": "full"}
    more = {"sat__orbit_state": "ascending" if orbit == "descending" else "descending"} if orbit else {}
    return _other_s1(made, **wrong, **more)


def _level_2(platform: str, instrument: str, names: Mapping[str, str], thermal: tuple[str, str]) -> Made:
    bands: dict[str, Band] = {
        name: (key, "uint16", 12000.0 + 1000 * n, (12000 + 1000 * n) * 2.75e-5 - 0.2)
        for n, (name, key) in enumerate(names.items())
    }
    bands[thermal[0]] = (thermal[1], "uint16", 44000.0, 44000 * 0.00341802 + 149)
    bands |= {
        "BQA": ("qa_pixel", "uint16", 21824.0, 21824.0),
        "QA_RADSAT": ("qa_radsat", "uint16", 0.0, 0.0),
        "ST_QA": ("qa", "int16", 250.0, 2.5),
        "ST_TRAD": ("trad", "int16", 9000.0, 9.0),
        "ST_EMIS": ("emis", "int16", 9700.0, 0.97),
        "ST_CDIST": ("cdist", "int16", 120.0, 1.2),
    }
    own = {
        "platform": platform, "instruments": [instrument], "landsat:correction": "L2SP", "eo:cloud_cover": 3.0,
        "landsat:collection_category": "T1",
    }  # fmt: skip
    return Made(stac="landsat-c2-l2", bands=bands, properties=own)


TM = {"B01": "blue", "B02": "green", "B03": "red", "B04": "nir08", "B05": "swir16", "B07": "swir22"}
OLI = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "nir08", "B06": "swir16", "B07": "swir22",
}  # fmt: skip
ANGLES: Mapping[str, Band] = {name: (name, "int16", 4512.0, 45.12) for name in ("VAA", "VZA", "SAA", "SZA")}
QUALITY: Mapping[str, Band] = {
    "BQA": ("qa_pixel", "uint16", 21824.0, 21824.0),
    "QA_RADSAT": ("qa_radsat", "uint16", 0.0, 0.0),
}


def _planck(radiance: float, first: float, second: float) -> float:
    return second / math.log(first / radiance + 1)


def _level_1(platform: str, instrument: str, **fields: Any) -> Made:
    own = {
        "platform": platform, "instruments": [instrument], "landsat:correction": "L1TP", "eo:cloud_cover": 3.0,
        "landsat:collection_category": "T1", **SUN,
    }  # fmt: skip
    return Made(stac=fields.pop("stac", "landsat-c2l1"), properties=own, **fields)


def _oli_1() -> Made:
    names = {**OLI, "B08": "pan", "B09": "cirrus"}
    bands: dict[str, Band] = {
        name: (key, "uint16", 10000.0 + 1000 * n, 2 * ((10000 + 1000 * n) * 2e-5 - 0.1))
        for n, (name, key) in enumerate(names.items())
    }
    bands["B10"] = ("lwir11", "uint16", 25000.0, _planck(25000 * 3.8e-4 + 0.1, 799.0284, 1329.2405))
    bands["B11"] = ("lwir12", "uint16", 25000.0, _planck(25000 * 3.49e-4 + 0.1, 475.6581, 1198.3494))
    return _level_1("landsat-9", "oli", bands={**bands, **ANGLES, **QUALITY})


def _tm_1() -> Made:
    """Scale and offset of the reflectance as MTL has them, and of the radiance of the thermal band."""
    bands: dict[str, Band] = {
        name: (key, "uint8", 100.0 + n, 2 * ((100 + n) * 1.2e-3 - 0.003)) for n, (name, key) in enumerate(TM.items())
    }
    bands["B06"] = ("lwir", "uint8", 130.0, _planck(130 * 0.055375 + 1.18243, 607.76, 1260.56))
    raster: dict[str, dict[str, Any]] = {key: {"scale": 1.2e-3, "offset": -0.003} for key in TM.values()}
    raster["lwir"] = {"scale": 0.055375, "offset": 1.18243, "unit": "watt/steradian/square_meter/micrometer"}
    return _level_1("landsat-5", "tm", bands={**bands, **ANGLES, **QUALITY}, raster=raster)


def _etm_1() -> Made:
    names = {**TM, "B08": "pan"}
    bands: dict[str, Band] = {
        name: (key, "uint8", 100.0 + n, 2 * ((100 + n) * 1.2e-3 - 0.003)) for n, (name, key) in enumerate(names.items())
    }
    radiance = {"unit": "watt/steradian/square_meter/micrometer", "scale": 0.067087, "offset": -0.06709}
    raster: dict[str, dict[str, Any]] = {key: {"scale": 1.2e-3, "offset": -0.003} for key in names.values()}
    for number in (1, 2):
        key = f"B6_VCID_{number}"
        raster[key] = radiance
        bands[f"B06_VCID_{number}"] = (key, "uint8", 130.0, _planck(130 * 0.067087 - 0.06709, 666.09, 1282.71))
    return _level_1("landsat-7", "etm+", bands={**bands, **ANGLES, **QUALITY}, raster=raster)


def _mss_1() -> Made:
    """As Planetary Computer tells it: a radiance, of which reflectance takes the distance and height of the sun."""
    irradiance = {"green": 1824.0, "red": 1570.0, "nir08": 1249.0, "nir09": 853.4}
    distance = 1 - 0.01672 * math.cos(math.radians(0.9856 * (152 - 4)))  # 1 June
    bands: dict[str, Band] = {}
    raster = {}
    for number, (key, each) in enumerate(irradiance.items(), 1):
        radiance = 90 * 0.8 + 1.5
        bands[f"B0{number}"] = (key, "uint8", 90.0, math.pi * radiance * distance**2 / (each * 0.5))
        raster[key] = {"unit": "watt/steradian/square_meter/micrometer", "scale": 0.8, "offset": 1.5}
    return _level_1("landsat-5", "mss", bands={**bands, **QUALITY}, raster=raster, stac="landsat-c2-l1")


def _hls() -> tuple[Made, Made]:
    def both(keys: Mapping[str, str]) -> dict[str, Band]:
        return {
            name: (key, "int16", 1000.0 + 100 * n, 0.1 + 0.01 * n) for n, (name, key) in enumerate(keys.items())
        } | {"QA": ("Fmask", "uint8", 64.0, 64.0)}

    shared = {"CoastalAerosol": "B01", "Blue": "B02", "Green": "B03", "Red": "B04"}
    landsat = {**shared, "NIR_Narrow": "B05", "SWIR1": "B06", "SWIR2": "B07", "Cirrus": "B09"}
    sentinel = {
        **shared, "RedEdge1": "B05", "RedEdge2": "B06", "RedEdge3": "B07", "NIR_Broad": "B08", "NIR_Narrow": "B8A",
        "WaterVapor": "B09", "Cirrus": "B10", "SWIR1": "B11", "SWIR2": "B12",
    }  # fmt: skip
    thermal: Mapping[str, Band] = {f"ThermalInfrared{n}": (f"B1{n - 1}", "int16", 2150.0, 21.5) for n in (1, 2)}
    angles: Mapping[str, Band] = {name: (name, "uint16", 4512.0, 45.12) for name in ("VAA", "VZA", "SAA", "SZA")}
    own = {"eo:cloud_cover": 3.0}
    return (
        Made(stac="hls2-l30", bands={**both(landsat), **thermal, **angles}, properties=own),
        Made(stac="hls2-s30", bands={**both(sentinel), **angles}, properties=own),
    )


def _dem(stac: str, height: float) -> Made:
    return Made(stac=stac, bands={"DEM": ("data", "float32", height, height)})


DEM_30 = "Planetary Computer, Earth Search (`cop-dem-glo-30`)"
RADAR = "Planetary Computer (`sentinel-1-rtc`), Digital Earth Africa (`s1_rtc`)"
IW, EW, SH = ("VV", "VH"), ("HH", "HV"), ("HH",)
LEVEL_2 = "Planetary Computer, Earth Search, USGS (`landsat-c2-l2`)"
LEVEL_1 = "USGS (`landsat-c2l1`)"

SERVED: Mapping[str, Served] = {
    "SENTINEL2_L1C": Served(
        archives="Earth Search, CDSE (JPEG 2000)",
        made=(_s2("1C", B10=("cirrus", "uint16", 1500.0, 0.05)),),
    ),
    "SENTINEL2_L2A": Served(
        archives="Earth Search, Planetary Computer, CDSE (JPEG 2000), Digital Earth Africa",
        made=(
            _s2(
                "2A",
                SCL=("scl", "uint8", 4.0, 4.0),
                AOT=("aot", "uint16", 150.0, 0.15),
                CLD=("cloud", "uint8", 0.0, 0.0),
                SNW=("snow", "uint8", 7.0, 7.0),
            ),
        ),
    ),
    "SENTINEL1": Served(archives=RADAR, made=(_s1("IW", IW, "descending", "high"),)),
    "SENTINEL1_IW": Served(archives=RADAR, made=(_radar("IW", IW),)),
    "SENTINEL1_IW_ASC": Served(archives=RADAR, made=(_radar("IW", IW, "ascending"),)),
    "SENTINEL1_IW_DES": Served(archives=RADAR, made=(_radar("IW", IW, "descending"),)),
    "SENTINEL1_EW": Served(archives="your own", made=(_radar("EW", EW),)),
    "SENTINEL1_EW_ASC": Served(archives="your own", made=(_radar("EW", EW, "ascending"),)),
    "SENTINEL1_EW_DES": Served(archives="your own", made=(_radar("EW", EW, "descending"),)),
    "SENTINEL1_EW_SH": Served(archives="your own", made=(_radar("EW", SH),)),
    "SENTINEL1_EW_SH_ASC": Served(archives="your own", made=(_radar("EW", SH, "ascending"),)),
    "SENTINEL1_EW_SH_DES": Served(archives="your own", made=(_radar("EW", SH, "descending"),)),
    "DEM": Served(archives=DEM_30, made=(_dem("cop-dem-glo-30", 412.5),)),
    "DEM_COPERNICUS_30": Served(
        archives=DEM_30, made=(_dem("cop-dem-glo-30", 412.5),)
    ),
    "DEM_COPERNICUS_90": Served(
        archives="Planetary Computer, Earth Search (`cop-dem-glo-90`)", made=(_dem("cop-dem-glo-90", 390.0),)
    ),
    "MODIS": Served(
        archives="Planetary Computer (`modis-43A4-061`)",
        made=(
            Made(
                stac="modis-43A4-061",
                id="MCD43A4.A2023152.h19v04.061.2023161044331",
                bands={
                    f"B{n:02}": (f"Nadir_Reflectance_Band{n}", "int16", 1000.0 + n, 0.1 + n / 10000)
                    for n in range(1, 8)
                },
                properties={
                    "datetime": None, "start_datetime": "2023-05-24T00:00:00Z", "end_datetime": "2023-06-08T23:59:59Z",
                },
            ),
        ),
    ),
    "LANDSAT_MSS_L1": Served(archives="Planetary Computer (`landsat-c2-l1`)", made=(_mss_1(),)),
    "LANDSAT_TM_L1": Served(archives=f"{LEVEL_1}, by the MTL file of each item: see below", made=(_tm_1(),)),
    "LANDSAT_TM_L2": Served(archives=LEVEL_2, made=(_level_2("landsat-5", "tm", TM, ("B06", "lwir")),)),
    "LANDSAT_ETM_L1": Served(archives=f"{LEVEL_1}, by the MTL file of each item: see below", made=(_etm_1(),)),
    "LANDSAT_ETM_L2": Served(archives=LEVEL_2, made=(_level_2("landsat-7", "etm+", TM, ("B06", "lwir")),)),
    "LANDSAT_OT_L1": Served(archives=LEVEL_1, made=(_oli_1(),)),
    "LANDSAT_OT_L2": Served(archives=LEVEL_2, made=(_level_2("landsat-8", "oli", OLI, ("B10", "lwir11")),)),
    "HARMONIZED_LANDSAT_SENTINEL": Served(
        archives="NASA (`HLSL30_2.0` and `HLSS30_2.0`), Planetary Computer (`hls2-l30` and `hls2-s30`)", made=_hls()
    ),
}  # fmt: skip

REFUSED: Mapping[str, str] = {
    "DEM_MAPZEN": "no open archive has it as cloud-optimised GeoTIFF",
    "SENTINEL5P": "NetCDF in the geometry of the satellite's swath",
    "SENTINEL3_OLCI": "NetCDF in the geometry of the satellite's swath",
    "SENTINEL3_SLSTR": "NetCDF in the geometry of the satellite's swath",
}
"""Name → a part of the reason, as a request is told it."""

UNSERVED_BANDS: Mapping[str, str] = {
    "CLP": "made by the service itself", "CLM": "made by the service itself",
    "sunAzimuthAngles": "XML in the archives", "sunZenithAngles": "XML in the archives",
    "viewAzimuthMean": "XML in the archives", "viewZenithMean": "XML in the archives",
    "localIncidenceAngle": "made by the service itself", "scatteringArea": "made by the service itself",
    "shadowMask": "made by the service itself",
}  # fmt: skip
"""Bands of the client that public archives do not have."""


def table() -> str:
    """The table of docs/collections.md."""
    lines = ["| `DataCollection` | request | archives |", "|---|---|---|"]
    for one in DataCollection:
        name = one.name
        if name in REFUSED:
            lines.append(f"| `{name}` | `{one.api_id}` | refused: {REFUSED[name]} |")
        elif name in SERVED:
            lines.append(f"| `{name}` | `{one.api_id}` | {SERVED[name].archives} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
