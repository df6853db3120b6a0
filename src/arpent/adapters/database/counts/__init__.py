"""Counts: the progress of a job, the outcomes of its rows, and its rate."""
