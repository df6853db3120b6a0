"""Blocks: which samples lie in which blocks of an image, and how samples are divided along the blocks."""
