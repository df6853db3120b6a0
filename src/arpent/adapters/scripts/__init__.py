"""Scripts: runtimes for evalscripts."""
