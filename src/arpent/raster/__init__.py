"""Raster: determines which source pixels give each sample its value, and fills samples from decoded blocks. No file is
opened here; the port AssetReader does that."""
