"""JIT: evalscripts compiled to machine code."""
