"""The results of a job as a map and as numbers: what the page at `/` shows."""
