"""Dask: partitions on a Dask cluster."""
