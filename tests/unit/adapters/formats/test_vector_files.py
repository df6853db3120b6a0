"""Vector files: every format gives the same features and columns, and none opens what it only names."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.formats.vector.archive import PARTS
from arpent.adapters.formats.vector.copy import RENAMED
from arpent.adapters.formats.vector.files import copy_file, read_file, read_one
from arpent.adapters.formats.vector.whole import check_sequence
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.location import FeatureFile

SQUARES = shapely.box([10, 11, 12], 50, [10.5, 11.5, 12.5], 51)
DRIVERS = {
    "fields.gpkg": "GPKG", "fields.fgb": "FlatGeobuf", "fields.geojson": "GeoJSON", "fields.json": "GeoJSON",
    "fields.shp": "ESRI Shapefile",
}  # fmt: skip
UNSORTED = {".fgb": {"SPATIAL_INDEX": "NO"}}
"""With an index FlatGeobuf has an order of its own."""
FORMATS = [*DRIVERS, "fields.parquet", "fields.geoparquet", "fields.zip"]


def frame(crs: int = 4326) -> geopandas.GeoDataFrame:
    columns = {
        "identifier": ["a", None, "c"],
        "crop": ["maize", "wheat", "röd"],
        "area": [1.5, 2.5, None],
        "owner": [1, 2, 3],
        "sown": [date(2023, 4, 1), date(2023, 4, 2), date(2023, 4, 3)],
    }
    return geopandas.GeoDataFrame(pd.DataFrame(columns), geometry=SQUARES, crs=f"EPSG:{crs}")


def written(folder: Path, name: str, crs: int = 4326) -> Path:
    made = frame(crs)
    path = folder / name
    if name.endswith("parquet"):
        made.to_parquet(path, write_covering_bbox=True, schema_version="1.1.0")
    elif name.endswith(".zip"):
        made.to_file(folder / "inner.shp", driver="ESRI Shapefile")
        with zipfile.ZipFile(path, "w") as archive:
            for part in folder.glob("inner.*"):
                archive.write(part, f"deep/{part.name}")
            archive.writestr("deep/inner.shp.xml", "<x/>")
    else:
        made.to_file(path, driver=DRIVERS[name], **UNSORTED.get(path.suffix, {}))
    return path


def named(path: Path, **wishes: object) -> FeatureFile:
    return FeatureFile(scheme="s3", bucket="b", key=path.name, **wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_features(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    (found,) = read_file(path, named(path))
    assert found.crs == CRS.from_epsg(4326)
    assert found.identifiers == ("a", None, "c")
    first = 1 if name.endswith("gpkg") else 0
    assert found.ids.tolist() == [first, first + 1, first + 2]
    assert shapely.equals(found.geometries, SQUARES).all()
    one = read_one(path, named(path), first + 1)
    assert one is not None
    assert shapely.equals(one.geometries[0], SQUARES[1])
    assert read_one(path, named(path), 99) is None


@pytest.mark.parametrize("name", FORMATS)
def test_the_features_file_carries_the_columns(tmp_path: Path, name: str) -> None:
    path, target = written(tmp_path, name), tmp_path / "copy.out"
    copy_file(path, named(path, columns=None), target, '{"software": "x"}')
    table = pq.read_table(target)
    assert table.column_names == ["id", "identifier", "crop", "area", "owner", "sown", "geometry", "bbox"]
    assert table["crop"].to_pylist() == ["maize", "wheat", "röd"]
    assert table["area"].to_pylist() == [1.5, 2.5, None]
    assert table["owner"].to_pylist() == [1, 2, 3]
    assert [str(each)[:10] for each in table["sown"].to_pylist()] == ["2023-04-01", "2023-04-02", "2023-04-03"]
    assert table["bbox"][1].as_py() == {"xmin": 11.0, "ymin": 50.0, "xmax": 11.5, "ymax": 51.0}
    about = json.loads(pq.read_metadata(target).metadata[b"geo"])
    assert about["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert about["columns"]["geometry"]["bbox"] == [10, 50, 12.5, 51]
    read = geopandas.read_parquet(target, bbox=(11.2, 50, 11.4, 51))
    assert (read["crop"].tolist(), read.crs.to_epsg()) == (["wheat"], 4326)


def test_columns_and_identifier_are_chosen(tmp_path: Path) -> None:
    path, target = written(tmp_path, "fields.fgb"), tmp_path / "copy.parquet"
    file = named(path, columns=("owner",), identifier="crop")
    (found,) = read_file(path, file)
    assert found.identifiers == ("maize", "wheat", "röd")
    copy_file(path, file, target, "{}")
    assert pq.read_table(target).column_names == ["id", "identifier", "owner", "geometry", "bbox"]
    (found,) = read_file(path, named(path, identifier="owner"))
    assert found.identifiers == ("1", "2", "3")


@pytest.mark.parametrize("name", ["fields.gpkg", "fields.fgb", "fields.parquet"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    with pytest.raises(FeaturesUnreadable, match=r"no column 'crops'; it has .*crop"):
        copy_file(path, named(path, columns=("crops",)), tmp_path / "x", "{}")


def test_a_user_column_with_a_name_of_ours_gets_another(tmp_path: Path) -> None:
    path = tmp_path / "fields.fgb"
    frame().rename(columns={"owner": "id", "crop": "bbox"}).to_file(path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    copy_file(path, named(path, columns=None), tmp_path / "x", "{}")
    table = pq.read_table(tmp_path / "x")
    assert table["feature_id"].to_pylist() == [1, 2, 3]
    assert table["id"].to_pylist() == [0, 1, 2]
    assert table["feature_bbox"].to_pylist() == ["maize", "wheat", "röd"]


def test_no_two_columns_get_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "fields.fgb"
    names = {"owner": "id", "crop": "feature_id", "area": "feature_feature_id"}
    frame().rename(columns=names).to_file(path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    copy_file(path, named(path, columns=None), tmp_path / "x", "{}")
    table = pq.read_table(tmp_path / "x")
    assert table["feature_id"].to_pylist() == ["maize", "wheat", "röd"]
    assert table["feature_feature_id"].to_pylist() == [1.5, 2.5, None]
    assert table["feature_feature_feature_id"].to_pylist() == [1, 2, 3]
    assert json.loads(table.schema.metadata[RENAMED]) == {"feature_feature_feature_id": "id"}


def test_any_crs_of_a_local_file(tmp_path: Path) -> None:
    path = written(tmp_path, "fields.fgb", 25832)
    with pytest.raises(FeaturesUnreadable, match=r"CRS .*EPSG:25832"):
        list(read_file(path, named(path)))
    (found,) = read_file(path, named(path, local=True))
    assert found.crs.to_epsg() == 25832


PIPELINE = {
    "type": "gdal_streamed_alg",
    "command_line": "gdal vector convert {} --output-format=stream streamed_dataset",
}
VRT = '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'


@pytest.mark.parametrize(
    "name", ["x.geojson", "x.json", "x.fgb", "x.zip", "x.parquet", "x.gpkg", "x.shp", "x.vrt", "x"]
)
def test_what_names_other_files_is_not_opened(tmp_path: Path, name: str) -> None:
    other = written(tmp_path, "fields.geojson")
    for content in (json.dumps(PIPELINE).replace("{}", str(other)), VRT.format(other), ""):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(FeaturesUnreadable):
            list(read_file(path, named(path)))
        with pytest.raises(FeaturesUnreadable):
            copy_file(path, named(path, columns=None), tmp_path / "copy", "{}")


def test_a_shapefile_in_an_archive_is_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.shp", b"")
        archive.writestr("b.shp", b"")
    with pytest.raises(FeaturesUnreadable, match=r"2 files \*\.shp"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize("honest", [True, False], ids=["by its declared size", "by its bytes"])
def test_an_archive_that_holds_too_much_is_refused(tmp_path: Path, honest: bool) -> None:
    path, inner = written(tmp_path, "fields.zip"), tmp_path / "inner.dbf"
    most = sum((tmp_path / f"inner{ending}").stat().st_size for ending in PARTS)
    if not honest:  # an archive that says of one part that it has one byte
        size = struct.pack("<I", inner.stat().st_size)
        content = path.read_bytes()
        path.write_bytes(content.replace(size * 2, size + struct.pack("<I", 1)))
    (found,) = read_file(path, named(path), most_bytes=most) if honest else [None]
    assert found is None or len(found) == 3
    for reading in (
        lambda: list(read_file(path, named(path), most_bytes=most - 1)),
        lambda: read_one(path, named(path), 0, most_bytes=most - 1),
        lambda: copy_file(path, named(path), tmp_path / "copy", "{}", most_bytes=most - 1),
    ):
        with pytest.raises(FeaturesUnreadable, match="ARPENT_FEATURES_BYTES" if honest else "."):
            reading()


def test_an_archive_that_leads_before_its_start_is_called_so(tmp_path: Path) -> None:
    path = written(tmp_path, "fields.zip")
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")  # its word for where the list of files is: what lies before counts as added
    struct.pack_into("<I", content, end + 16, struct.unpack_from("<I", content, end + 16)[0] + 1000)
    path.write_bytes(content)
    with pytest.raises(FeaturesUnreadable, match="zip archive cannot be read"):
        list(read_file(path, FeatureFile(scheme="s3", bucket="b", key="fields.zip")))


def test_names_of_columns_in_another_encoding_are_called_so(tmp_path: Path) -> None:
    path = written(tmp_path, "fields.zip")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            odd = content[:32] + b"\x8f\xff" + content[34:] if name.endswith(".dbf") else content
            archive.writestr(name, b"UTF-8" if name.endswith(".cpg") else odd)
    with pytest.raises(FeaturesUnreadable, match="column names are not in the encoding"):
        list(read_file(path, FeatureFile(scheme="s3", bucket="b", key="fields.zip")))


@pytest.mark.parametrize(
    ("told", "encoding"),
    [
        (b"1252", "cp1252"), (b"ANSI 1252", "cp1252"), (b"ANSI_1252\r\n", "cp1252"), (b"Windows 1252", "cp1252"),
        (b"cp-1252", "cp1252"), (b"windows-1252", "cp1252"), (b"OEM 850", "cp850"), (b"ANSI 1250", "cp1250"),
        (b"8859_1", "latin1"), (b"ISO 8859-15", "iso8859-15"), (b"LATIN-1", "latin1"), (b"latin1", "latin1"),
        (b"65001", "utf-8"), (b"UTF-8", "utf-8"), (b"\xef\xbb\xbf1252", "cp1252"),
    ],
)  # fmt: skip
def test_texts_of_a_shapefile_have_the_encoding_that_it_tells(tmp_path: Path, told: bytes, encoding: str) -> None:
    """Other software spells it in ways that GDAL does not know."""
    made = frame()
    made["identifier"] = ["M\u00fcller", None, "\u00d6der"]
    made.to_file(tmp_path / "inner.shp", driver="ESRI Shapefile", encoding=encoding)
    (tmp_path / "inner.cpg").write_bytes(told)
    path = tmp_path / "fields.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in tmp_path.glob("inner.*"):
            archive.write(part, part.name.replace(".cpg", ".CPG"))
    (read,) = read_file(path, named(path))
    assert read.identifiers == ("M\u00fcller", None, "\u00d6der")


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_called_so(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "fields.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("inner.shp", np.random.default_rng(0).bytes(5000))
    content = bytearray(path.read_bytes())
    content[60:160] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(FeaturesUnreadable, match="zip archive cannot be read"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_flatgeobuf_file_that_is_cut_short_is_called_so(tmp_path: Path, share: float) -> None:
    """An upload that ended midway would otherwise be a job without the rest of its features."""
    path = tmp_path / "fields.fgb"
    many = pd.concat([frame()] * 20, ignore_index=True)
    many.to_file(path, driver="FlatGeobuf")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FeaturesUnreadable, match=r"cut short: it has \d+ of the 60 features"):
        list(read_file(path, named(path)))
    with pytest.raises(FeaturesUnreadable, match="cut short"):
        copy_file(path, named(path), tmp_path / "copy.parquet", "")


PART_SIZES = [(part, share) for part in (".shp", ".shx", ".dbf") for share in (0.0, 0.5, 0.99)]


def zipped(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for ending, content in parts.items():
            archive.writestr(f"fields{ending}", content)
    return path


def parts_of(folder: Path, copies: int) -> dict[str, bytes]:
    many = pd.concat([frame()] * copies, ignore_index=True)
    many.to_file(folder / "many.shp", driver="ESRI Shapefile")
    return {ending: (folder / f"many{ending}").read_bytes() for ending in (".shp", ".shx", ".dbf", ".prj")}


@pytest.mark.parametrize(("part", "share"), PART_SIZES)
def test_a_part_of_a_shapefile_that_is_cut_short_is_named(tmp_path: Path, part: str, share: float) -> None:
    parts = parts_of(tmp_path, 20)
    parts[part] = parts[part][: int(len(parts[part]) * share)]
    path = zipped(tmp_path / "fields.zip", parts)
    with pytest.raises(FeaturesUnreadable, match=f"The {part} of the Shapefile is cut short" if share else "Shapefile"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize("shorter", [{".shp"}, {".shx"}, {".dbf"}, {".shp", ".shx"}, {".shx", ".dbf"}])
def test_parts_of_a_shapefile_that_disagree_are_refused(tmp_path: Path, shorter: set[str]) -> None:
    """GDAL reads as many features as the shortest of .shx and .dbf has."""
    few, many = parts_of(tmp_path, 10), parts_of(tmp_path, 20)
    path = zipped(tmp_path / "fields.zip", {end: few[end] if end in shorter else many[end] for end in many})
    with pytest.raises(FeaturesUnreadable, match=r"of the Shapefile (has|is cut)"):
        list(read_file(path, named(path)))


def test_a_shapefile_without_index_is_called_so(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, 1)
    del parts[".shx"]
    path = zipped(tmp_path / "fields.zip", parts)
    with pytest.raises(FeaturesUnreadable, match=r"has no \.shx"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize("share", [0.31, 0.77, 0.96])
@pytest.mark.parametrize("separated", ["NO", "YES"])
def test_a_geojson_sequence_that_is_cut_short_is_called_so(tmp_path: Path, share: float, separated: str) -> None:
    """GDAL makes what it can of half a line: an outline without its last corners, for one."""
    path = tmp_path / "fields.geojsonl"
    many = pd.concat([frame()] * 20, ignore_index=True)
    many.to_file(path, driver="GeoJSONSeq", RS=separated)
    file = named(path, local=True)
    assert sum(len(each.ids) for each in read_file(path, file)) == 60
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FeaturesUnreadable, match=r"Record \d+ of the GeoJSON sequence is not JSON"):
        list(read_file(path, file))


SEPARATED = {
    "lines": b"\n", "lines of Windows": b"\r\n", "blank lines": b"\n\n", "separators": b"\x1e",
    "separators and lines": b"\n\x1e",
}  # fmt: skip


@pytest.mark.parametrize("separated", SEPARATED)
def test_geojson_sequences_as_programs_write_them(tmp_path: Path, separated: str) -> None:
    path, separator = tmp_path / "fields.geojsonl", SEPARATED[separated]
    records = [json.dumps(each).encode() for each in json.loads(frame()[["geometry"]].to_json())["features"]]
    start = b"\x1e" if b"\x1e" in separator else b""
    path.write_bytes(start + separator.join(records))
    assert sum(len(each.ids) for each in read_file(path, named(path, local=True))) == len(records)


def test_long_pretty_records_are_split_in_no_time(tmp_path: Path) -> None:
    """Joined line by line it would take minutes."""
    path = tmp_path / "fields.geojsonl"
    path.write_bytes(b"\x1e" + b"[\n" + b"1,\n" * 1_000_000 + b"1]\n")
    check_sequence(path)


@pytest.mark.parametrize("odd", [b"\xef\xbb\xbf", b"\r"])
def test_a_sequence_of_which_gdal_reads_the_first_record_is_refused(tmp_path: Path, odd: bytes) -> None:
    path = tmp_path / "fields.geojsonl"
    records = [json.dumps(each).encode() for each in json.loads(frame()[["geometry"]].to_json())["features"]]
    path.write_bytes(odd + b"\n".join(records) if odd != b"\r" else odd.join(records))
    with pytest.raises(FeaturesUnreadable, match="without a byte-order mark, and with line feeds"):
        list(read_file(path, named(path, local=True)))


def test_a_shapefile_whose_index_counts_headers_is_read(tmp_path: Path) -> None:
    """Some programs count the 8 bytes of each record's header in .shx."""
    parts = parts_of(tmp_path, 2)
    index = np.frombuffer(parts[".shx"][100:], ">u4").reshape(-1, 2).copy()
    index[:, 1] += 4
    parts[".shx"] = parts[".shx"][:100] + index.tobytes()
    path = zipped(tmp_path / "fields.zip", parts)
    assert sum(len(each.ids) for each in read_file(path, named(path))) == 6


def test_odd_names_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "fields.zip")
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("..", ".", "/", "a/.."):
            archive.writestr(name, b"x")
    (found,) = read_file(path, named(path))
    assert found.identifiers == ("a", None, "c")


def test_parquet_of_odd_columns_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "fields.parquet")
    table = pq.read_table(path)
    numbers = table.set_column(table.schema.get_field_index("geometry"), "geometry", pa.array([1, 2, None]))
    pq.write_table(numbers.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(FeaturesUnreadable, match="column 'geometry' is int64, not WKB"):
        list(read_file(path, named(path)))
    pq.write_table(table.append_column("crop", table.column("owner")), path)
    with pytest.raises(FeaturesUnreadable, match="two columns 'crop'"):
        list(read_file(path, named(path)))


def test_what_is_no_polygon_stays_and_null_is_null(tmp_path: Path) -> None:
    shapes = geopandas.GeoDataFrame(
        {"n": [1, 2, 3]}, geometry=[shapely.Point(1, 2), None, SQUARES[0]], crs="EPSG:32633"
    )
    shapes.to_file(tmp_path / "a.fgb", driver="FlatGeobuf", SPATIAL_INDEX="NO")
    (found,) = read_file(tmp_path / "a.fgb", named(tmp_path / "a.fgb"))
    assert [None if each is None else each.geom_type for each in found.geometries] == ["Point", None, "Polygon"]
    assert np.array_equal(found.ids, [0, 1, 2])


CRS_OF = '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}'
LINK = '{{"type": "link", "properties": {{"href": "{}/srs"}}}}'


def geojson(folder: Path, root: str, inside: str = "") -> Path:
    ring = [[500000, 5000000], [500100, 5000000], [500100, 5000100], [500000, 5000000]]
    geometry = f'{{{inside} "type": "Polygon", "coordinates": [{json.dumps(ring)}]}}'
    path = folder / "fields.geojson"
    path.write_text(
        f'{{"type": "FeatureCollection", {root} "features": [{{"type": "Feature", "properties": {{"identifier": "a",'
        f' "crs": "mine", "note": "a crs: \\"crs\\": {{}}"}}, "geometry": {geometry}}}]}}'
    )
    return path


@pytest.fixture
def heard() -> Iterator[tuple[str, list[str]]]:
    """A server of this machine, and the paths that somebody asked it for."""
    paths: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.mark.parametrize(
    ("root", "inside"),
    [
        ('"crs": LINK,', ""),
        ('"CRS": LINK,', ""),
        ('"\\u0063r\\u0053": LINK,', ""),
        ("'crs': LINK,", ""),
        ('"crs" /* x */ : LINK,', ""),
        ('"crs": /* x */ LINK,', ""),
        ('"crs": {"type": "URL", "properties": {"url": "ADDRESS/srs"}},', ""),
        ('"crs": {"type": "NAMED", "properties": {"name": "ADDRESS/srs"}},', ""),
        (f"{CRS_OF},", '"crs": LINK,'),
    ],
)
def test_a_geojson_file_leads_nowhere(tmp_path: Path, heard: tuple[str, list[str]], root: str, inside: str) -> None:
    address, paths = heard
    root, inside = (text.replace("LINK", LINK.format(address)).replace("ADDRESS", address) for text in (root, inside))
    path = geojson(tmp_path, root, inside)
    with pytest.raises(FeaturesUnreadable, match="`crs` of the GeoJSON file cannot be read"):
        list(read_file(path, named(path)))
    assert paths == []


@pytest.mark.parametrize(
    "root",
    [
        '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::99999"}},',
        '"crs": {"type": "name", "properties": {"name": 32633}},',
        '"crs": {"type": "name"},',
        '"crs": {},',
        '"crs": {"type": "name", "properties": {"name": "+init=/etc/passwd:x"}},',
        '"crs": "EPSG:32633",',
        '"CRS" : "urn:ogc:def:crs:EPSG::32633",',
        '"c\\u0072s": "EPSG:32633",',
        '"note": "\\"}", "list": [{"a": [1, "]"]}], "crs": "EPSG:32633",',
        '"crs": 32633,',
        '"crs": ["EPSG:32633"],',
        '"crs": true,',
        "'crs': 'EPSG:32633',",
    ],
)
def test_a_crs_that_cannot_be_read_is_no_longitude_and_latitude(tmp_path: Path, root: str) -> None:
    path = geojson(tmp_path, root)
    with pytest.raises(FeaturesUnreadable, match="crs"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize("text", ['"EPSG:32633"', "32633", '"EPSG:4326"'])
def test_a_crs_that_is_text_counts_wherever_it_stands(tmp_path: Path, text: str) -> None:
    crs = f'"crs": {text},'
    for root, inside in ((crs, ""), ("", crs)):
        path = geojson(tmp_path, root, inside)
        whole = path.read_text()
        moved = whole.replace(crs, "")[:-1] + f', "crs": {text}}}'  # behind the features
        in_feature = whole.replace(crs, "").replace('"type": "Feature",', f'"type": "Feature", {crs}')
        alone = whole.replace(crs, "").partition('"features": [')[2][:-2].replace("{", "{" + crs, 1)
        for content in (whole, moved, in_feature, alone):
            path.write_text(content)
            if "4326" in text:
                assert next(iter(read_file(path, named(path)))).crs == CRS.from_epsg(4326)
            else:
                with pytest.raises(FeaturesUnreadable, match=r"`crs`.* of the GeoJSON file .*Write \{"):
                    list(read_file(path, named(path)))


def test_a_crs_of_a_geometry_beside_another_is_refused(tmp_path: Path) -> None:
    path = geojson(tmp_path, f"{CRS_OF},", CRS_OF.replace("32633", "32634") + ",")
    with pytest.raises(FeaturesUnreadable, match=r"32634.* not the only one"):
        list(read_file(path, named(path)))


@pytest.mark.parametrize(
    "root",
    [
        f"{CRS_OF},",
        '"crs": {"type": "name", "properties": {"name": "EPSG:32633"}},',
        '"crs": {"type": "EPSG", "properties": {"code": 32633}},',
    ],
)
def test_a_crs_that_is_named_holds(tmp_path: Path, root: str) -> None:
    path = geojson(tmp_path, root, f"{CRS_OF},")
    (features,) = read_file(path, named(path))
    assert features.crs == CRS.from_epsg(32633)


@pytest.mark.filterwarnings("ignore:Integer values:RuntimeWarning")
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (2**63 - 2, None),
        (2**63, "number.* 9223372036854775808"),
        (2**64, "`identifier` holds numbers that are too large to be exact; make it text"),
        (-(2**63), "too large to be exact"),
        (10**30, "too large to be exact"),
    ],
)
def test_identifiers_that_are_large_numbers(tmp_path: Path, number: int, message: str | None) -> None:
    path = geojson(tmp_path, "")
    path.write_text(path.read_text().replace('"identifier": "a"', f'"identifier": {number}'))
    if message is None:
        assert next(iter(read_file(path, named(path)))).identifiers == (str(number),)
    else:
        with pytest.raises(FeaturesUnreadable, match=message):
            list(read_file(path, named(path)))


@pytest.mark.parametrize(
    "about",
    [
        "[" * 100_000,
        "[]",
        "null",
        '{"primary_column": ["geometry"], "columns": {}}',
        '{"primary_column": "geometry", "columns": []}',
        '{"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "covering": {"bbox": {"a": 5}}}}}',
        '{"primary_column": "geometry", "columns": {"geometry": {"encoding": ["WKB"]}}}',
    ],
)
def test_metadata_of_geoparquet_may_hold_anything(tmp_path: Path, about: str) -> None:
    path = tmp_path / "fields.parquet"
    table = pa.table({"identifier": ["a"], "geometry": [shapely.to_wkb(shapely.box(10, 50, 11, 51))]})
    pq.write_table(table.replace_schema_metadata({b"geo": about.encode()}), path)
    with pytest.raises(FeaturesUnreadable, match="geo` metadata"):
        list(read_file(path, named(path)))
