"""The Catalog port over stac-geoparquet: files on this machine, behind https or in a bucket. Start at `catalog`."""
