"""Blocks: which samples lie in which blocks of an image, and how they are cut along them."""
