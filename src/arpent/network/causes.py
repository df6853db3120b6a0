"""Causes: the errors behind an error of requests or urllib3, which do not link all of them through `__cause__`."""

from __future__ import annotations

from collections.abc import Iterator


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and all errors behind it, each once, outermost first."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        behind = (*one.args, getattr(one, "reason", None), getattr(one, "original_error", None))
        linked = (one.__cause__ or one.__context__,)
        pending += [each for each in (*behind, *linked) if isinstance(each, BaseException)]
