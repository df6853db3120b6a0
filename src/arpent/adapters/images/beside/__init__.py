"""Beside: metadata that an image lacks itself, from its STAC item or from a file next to it."""
