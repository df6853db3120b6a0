"""Parts of the folder catalogue: files of items and their index. The catalogue is `stac_folder`."""
