"""Scripts: runtimes for evalscripts: V8, and compiled scripts."""
