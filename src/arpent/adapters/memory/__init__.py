"""JobStore and WorkStore in the memory of one process, forgotten at its end: for tests and for small jobs."""
