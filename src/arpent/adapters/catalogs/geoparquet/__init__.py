"""Catalog over stac-geoparquet: one file or many, on this machine, behind https or in a bucket. Start at `catalog`."""
