"""A made landscape for the demo, tests and benchmarks: parcels, crops, a season of scenes. Start at `make`."""
