"""What a command says about errors that are not arpent's own."""

from __future__ import annotations

import pytest
from numba import njit

from arpent.cli.guard import line_and_code


def test_a_machine_that_keeps_no_kernels_is_told_which_variable_to_set() -> None:
    with pytest.raises(RuntimeError) as caught:  # of no file, so that numba finds no place for its kernels
        njit(cache=True)(eval("lambda number: number"))
    line, code = line_and_code(caught.value)
    assert "set NUMBA_CACHE_DIR" in line
    assert "unexpected" not in line
    assert code == 2
