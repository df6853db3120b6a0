"""Memory: JobStore and WorkStore in the memory of one process, lost at its end: for tests and small jobs."""
