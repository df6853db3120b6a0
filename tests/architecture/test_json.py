"""Only wire/ reads and writes JSON; the other files that do are listed here, with the reason."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
MODULES = {"json", "orjson"}
EXCEPTIONS: Mapping[str, str] = {
    "adapters/catalogs/api/answers.py": "STAC is JSON",
    "adapters/catalogs/folder/index.py": "items in a column of the index",
    "adapters/catalogs/footprint.py": "STAC is JSON",
    "adapters/catalogs/geoparquet/rows.py": "the texts in a column of Parquet",
    "adapters/catalogs/lenient_json.py": "STAC is JSON",
    "adapters/database/jobs.py": "a column of the database",
    "adapters/database/work/payload.py": "a column of the database",
    "adapters/formats/plain_columns.py": "lists in a column of text",
    "adapters/formats/results/tables.py": "the metadata of GeoParquet are JSON",
    "adapters/formats/vector/": "the metadata of GeoParquet are JSON",
    "adapters/images/beside/landsat.py": "the MTL files of Landsat are JSON",
    "adapters/images/zarr/store.py": "the metadata of Zarr are JSON",
    "adapters/objects/cloud.py": "a service account's key is JSON",
    "adapters/scripts/v8/child.py": "what our own side of an interpreter answers",
    "adapters/scripts/v8/client.py": "messages of the interpreter's process",
    "adapters/scripts/v8/protocol.py": "messages of the interpreter's process",
    "adapters/scripts/v8/session.py": "messages of the interpreter's process",
    "api/": "GeoJSON and answers of a server; the request that a wish becomes; metadata of files",
    "cli/": "what commands print and read",
    "evalscript/harness.py": "literals of JavaScript",
    "evalscript/program.py": "literals of JavaScript",
    "evalscript/scenes.py": "what a script sees as GeoJSON",
    "landscape/archive.py": "items of the made imagery",
    "logs.py": "lines of the log",
    "server/access/issuer.py": "claims of a token that nobody has checked yet",
    "server/middleware.py": "bodies of refusals that come before any route",
    "setting_values.py": "values of settings",
    "settings/": "values of settings",
}


def users() -> set[str]:
    """Files that import a JSON library."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if MODULES & {name.partition(".")[0] for name in names}:
                found.add(path.relative_to(SOURCE).as_posix())
    return found


def test_only_wire_and_the_exceptions_know_json() -> None:
    strangers = {name for name in users() if not name.startswith(("wire/", *EXCEPTIONS))}
    assert strangers == set()


def test_every_exception_is_still_one() -> None:
    found = users()
    assert [name for name in EXCEPTIONS if not any(each.startswith(name) for each in found)] == []


def test_the_pure_floors_below_the_world_do_without() -> None:
    assert not {name for name in users() if name.startswith(("domain/", "engine/", "jobs/", "raster/", "zonal/"))}
