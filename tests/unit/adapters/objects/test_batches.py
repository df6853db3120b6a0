"""Many objects, a few at a time."""

from __future__ import annotations

from arpent.adapters.objects.batches import batches


def test_neither_too_many_nor_too_large() -> None:
    small, large = [(f"{k}", b"x") for k in range(5)], ("large", b"x" * 10)
    assert [len(batch) for batch in batches(small, 2, 100)] == [2, 2, 1]
    found = list(batches([*small, large, *small, large, large], 100, 8))
    assert [[len(content) for _, content in batch] for batch in found] == [[1] * 5 + [10], [1] * 5 + [10], [10]]
    assert [entry for batch in found for entry in batch] == [*small, large, *small, large, large]
    assert list(batches([], 2, 100)) == []
