"""Parts of the folder catalogue: files of items and their index. The catalogue itself is in `stac_folder`."""
