"""Zonal: determines which samples lie inside a polygon, and computes their statistics, independent of any imagery."""
