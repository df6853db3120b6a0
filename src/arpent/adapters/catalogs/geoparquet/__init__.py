"""The Catalog port over stac-geoparquet: files on this machine, behind https or in a bucket. Start at `catalog`."""

SUFFIXES = (".parquet", ".geoparquet")
"""Endings of its files. Known here, because what reads them takes long to load, and few catalogues are of this kind."""
