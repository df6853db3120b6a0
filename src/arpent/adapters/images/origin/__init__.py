"""Origin: where the file of an image lies, which version of it is there, and why it cannot be read."""
