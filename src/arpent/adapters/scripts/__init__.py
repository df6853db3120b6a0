"""Scripts: the runtimes that run evalscripts in V8, or compile them to machine code."""
