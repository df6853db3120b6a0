"""Compile: an evalscript's evaluatePixel, evaluated once over unknown numbers, becomes straight-line arithmetic.

The subset is numeric and without state between samples; everything else raises Unsupported, and V8 runs the script.
"""
