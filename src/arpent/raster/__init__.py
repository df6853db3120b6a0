"""Raster: which source pixel feeds which sample. No file is opened here."""
