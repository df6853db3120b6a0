"""Zonal: which samples lie inside a polygon, and their statistics; where the pixels came from does not matter."""
