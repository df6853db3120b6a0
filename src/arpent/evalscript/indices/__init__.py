"""Spectral indices: formulas in roles of bands, the bands of each collection, cloud masks, and the evalscript."""
