"""Images: adapters that read cloud-optimised GeoTIFFs, JPEG 2000, Zarr and what else GDAL reads, block by block."""
