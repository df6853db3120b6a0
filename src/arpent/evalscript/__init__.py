"""Evalscript: what a script declares, and how it runs over flat arrays of samples."""
