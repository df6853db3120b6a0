"""Imagery: collections, STAC items and rasters."""
