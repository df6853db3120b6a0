"""What a command says about errors that are not arpent's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from numba import njit

from arpent.cli.guard import check_target, line_and_code
from arpent.domain.errors import InvalidRequest


def test_a_machine_that_keeps_no_kernels_is_told_which_variable_to_set() -> None:
    with pytest.raises(RuntimeError) as caught:  # of no file, so that numba finds no place for its kernels
        njit(cache=True)(eval("lambda number: number"))
    line, code = line_and_code(caught.value)
    assert "set NUMBA_CACHE_DIR" in line
    assert "unexpected" not in line
    assert code == 2


def test_a_file_that_no_new_one_may_replace_is_refused_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own rights do not help: what is written takes its place when it is whole."""
    (tmp_path / "a.csv").touch()
    check_target(tmp_path / "a.csv", "--csv")
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    with pytest.raises(InvalidRequest, match=f"may not be written by this user: see the rights of {tmp_path}$"):
        check_target(tmp_path / "a.csv", "--csv")
    check_target(Path(os.devnull), "--csv")
