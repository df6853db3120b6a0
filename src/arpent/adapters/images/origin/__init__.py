"""Origin: where the file of an image lies, and which version of it is there."""
