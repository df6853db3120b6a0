"""Spectral indices: formulas over band roles, the bands of each collection, cloud masks, and generated evalscripts."""
