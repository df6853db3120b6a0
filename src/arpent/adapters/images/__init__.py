"""Images: cloud-optimised GeoTIFFs, block by block."""
