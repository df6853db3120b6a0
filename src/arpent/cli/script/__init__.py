"""`arpent script check` and `arpent script run`: evalscripts tried without a job."""
