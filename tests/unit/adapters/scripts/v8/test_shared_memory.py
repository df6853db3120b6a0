"""The memory that an interpreter shares with its owner."""

from __future__ import annotations

import os

import pytest

from arpent.adapters.scripts.v8.shared_memory import SharedBuffer


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memory that can be sealed")
@pytest.mark.parametrize("size", [0, 4096, 2 << 20])
def test_nobody_changes_its_size_under_its_owner(size: int) -> None:
    """A page that is gone would kill the process that reads it."""
    buffer = SharedBuffer(1 << 20)
    with pytest.raises(PermissionError):
        os.ftruncate(buffer.descriptor, size)
    buffer.forget_descriptor()
