"""Which texts end in the middle."""

from __future__ import annotations

import json

import pytest

from arpent.adapters.catalogs.lenient_json import is_unfinished, loads

WHOLE = json.dumps({"a": ['ä\\" "', True, None, -1.5e3, {}], "b": False}, ensure_ascii=False).encode()


def _fault(text: bytes) -> Exception:
    try:
        loads(text)
    except ValueError as error:
        return error
    raise AssertionError(text)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_every_beginning_is_unfinished(length: int) -> None:
    assert is_unfinished(_fault(WHOLE[:length]))


@pytest.mark.parametrize(
    "text", [b'{"a": 1}\n{"b": 2}\n', b"# notes", b'{"a" "b"}', b"[1, 2] x", b"\xff\xfe\x00x", b"tree", b"{]"]
)
def test_what_no_end_makes_whole_is_not(text: bytes) -> None:
    assert not is_unfinished(_fault(text))
