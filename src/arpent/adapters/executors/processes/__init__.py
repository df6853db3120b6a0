"""Processes: partitions in worker processes of this machine."""
