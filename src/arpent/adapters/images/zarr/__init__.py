"""Zarr: arrays of a store as images, chunks as blocks (docs/adr/0019-zarr.md)."""
