"""Store: reads the metadata (consolidated or not) of a Zarr hierarchy in a folder, on a web server or in a bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.origin.href import local_path
from arpent.domain.boundary.text import json_whole
from arpent.domain.imagery.file_version import Version
from arpent.network.memo import Memo

MOST_METADATA = 32 << 20
"""Maximum bytes of one metadata document; that of a whole Sentinel-2 product has half a megabyte."""
MOST_HIERARCHIES = 64
"""Maximum number of stores whose consolidated metadata is cached."""
KEPT_SECONDS = 60.0
"""How long consolidated metadata is cached: the bands of an item are opened shortly after one another."""
_SUFFIX = ".zarr"
_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup")
_TOLD = 12
"""Maximum number of arrays that a message names."""
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocation:
    """Where an array lies: its store, and its path in it."""

    root: str
    """Folder or URL of the store, without a query."""
    path: str
    """Path of the array in the store, without leading or trailing slashes; empty: the store itself is the array."""
    query: str
    """Query of each URL in the store, such as a signature; empty if there is none."""

    def href(self, *keys: str) -> str:
        """The path or URL of a key in the store; parts of the key are joined with slashes."""
        key = "/".join(one for one in keys if one)
        if "://" not in self.root:
            return os.path.join(self.root, key)
        return f"{self.root}/{key}" + (f"?{self.query}" if self.query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Metadata of a group or an array."""

    document: Document
    """Content of zarr.json, .zarray or .zgroup."""
    attributes: Document
    """User attributes of the group or array."""

    @property
    def is_array(self) -> bool:
        """Whether it is an array, not a group."""
        return self.document.get("node_type") == "array" or "shape" in self.document


def store_location(href: str) -> StoreLocation | None:
    """The location of the array that an href names: in or below a folder whose name ends with .zarr, or in a local
    folder that holds a metadata document of Zarr. None: it is not Zarr."""
    path = local_path(href)
    text = href if path is None else str(path)
    parts = urlsplit(text) if path is None else None
    segments = (parts.path if parts else text).rstrip("/").split("/")
    ends = [number for number, one in enumerate(segments) if one.lower().endswith(_SUFFIX) and len(one) > len(_SUFFIX)]
    if ends:
        root, inner = "/".join(segments[: ends[-1] + 1]), "/".join(segments[ends[-1] + 1 :])
    elif path is not None and path.is_dir() and any((path / name).is_file() for name in _DOCUMENTS):
        root, inner = text.rstrip("/"), ""
    else:
        return None
    if path is not None and Path(root).is_file():  # an image with an odd name
        return None
    if parts is not None:
        return StoreLocation(root=urlunsplit((parts.scheme, parts.netloc, root, "", "")), path=inner, query=parts.query)
    return StoreLocation(root=root, path=inner, query="")


class Store:
    """One hierarchy of groups and arrays. Its methods raise AssetUnreadable, and ValueError if metadata is damaged."""

    def __init__(self, origins: ByteSources, place: StoreLocation) -> None:
        """Read the consolidated metadata, if there is any."""
        self._origins = origins
        self.place = place
        self.versions: dict[str, Version] = {}
        """The hrefs of the metadata documents that were read, and their versions."""
        self._nodes, versions = _kept_nodes(self)
        self.versions |= versions

    def node(self, path: str) -> Node | None:
        """The node at a path; None if there is none."""
        if self._nodes is not None:
            return self._nodes.get(path)
        if (document := self.document(path, "zarr.json")) is not None:
            return Node(document=document, attributes=_table(document.get("attributes")))
        found = self.document(path, ".zarray") or self.document(path, ".zgroup")
        if found is None:
            return None
        return Node(document=found, attributes=self.document(path, ".zattrs") or {})

    def arrays(self) -> str:
        """Names of the arrays, for a message; empty without consolidated metadata."""
        names = [path for path, node in (self._nodes or {}).items() if node.is_array]
        more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        return ", ".join(name[:80] for name in sorted(names)[:_TOLD]) + more

    def groups(self, path: str) -> Iterator[Node]:
        """The groups that contain the node at a path, innermost first."""
        while path:
            path = path.rpartition("/")[0]
            if (node := self.node(path)) is not None:
                yield node

    def document(self, *keys: str) -> Document | None:
        """The JSON document with this key (in parts); None if there is none."""
        address = self.place.href(*keys)
        found = self._origins.whole_of_version(address, MOST_METADATA)
        if found is None:
            return None
        content, self.versions[address] = found
        try:
            return _table(json.loads(bytes(content), parse_int=json_whole))
        except (ValueError, RecursionError):
            raise ValueError(f"its {keys[-1]} is not JSON") from None


Nodes = Mapping[str, Node] | None
"""The nodes by path, from consolidated metadata; None: there is none, and each node has its own document only."""
_kept: WeakKeyDictionary[ByteSources, Memo[str, tuple[Nodes, Mapping[str, Version]]]] = WeakKeyDictionary()
_lock = Lock()


def forget_hierarchies(origins: ByteSources) -> None:
    """Forget all cached consolidated metadata, so that it is read again."""
    with _lock:
        _kept.pop(origins, None)


def _kept_nodes(store: Store) -> tuple[Nodes, Mapping[str, Version]]:
    """The nodes of the store, and the versions of the documents that describe them; cached for KEPT_SECONDS."""
    with _lock:
        kept = _kept.setdefault(store._origins, Memo(MOST_HIERARCHIES, KEPT_SECONDS))

    def read() -> tuple[Nodes, Mapping[str, Version]]:
        nodes = _consolidated(store)
        return nodes, dict(store.versions)

    return kept.get(f"{store.place.root}?{store.place.query}", read)


def _consolidated(store: Store) -> Nodes:
    root = store.document("zarr.json")
    if root is not None:
        inner = root.get("consolidated_metadata")
        if not isinstance(inner, dict) or not isinstance(inner.get("metadata"), dict):
            return None
        found = {
            str(path).strip("/"): Node(document=_table(one), attributes=_table(_table(one).get("attributes")))
            for path, one in inner["metadata"].items()
        }
        return {"": Node(document=root, attributes=_table(root.get("attributes"))), **found}
    root = store.document(".zmetadata")
    if root is None:
        return None
    entries = _table(root.get("metadata"))
    found = {}
    for key, document in entries.items():
        path, _, name = str(key).rpartition("/")
        if name in (".zarray", ".zgroup"):
            attributes = entries.get(f"{path}/.zattrs" if path else ".zattrs", {})
            found[path] = Node(document=_table(document), attributes=_table(attributes))
    return found


def _table(value: object) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("its metadata is not an object")
    return value
