"""The globe: longitudes that pass 180 degrees, poles, and shapes of a CRS in degrees."""
