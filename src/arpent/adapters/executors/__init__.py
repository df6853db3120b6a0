"""Executors: where partitions are computed."""
