"""The Catalog port for stac-geoparquet files on this machine, on a web server or in a bucket. Start at `catalog`."""

SUFFIXES = (".parquet", ".geoparquet")
"""File name suffixes. Defined here, because the modules that read such files take long to import."""
