"""Landscape: generated parcels, crops and a season of scenes for demo, tests and benchmarks. Start at `make`."""
