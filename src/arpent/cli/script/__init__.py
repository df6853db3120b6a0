"""`arpent script`: check and run evalscripts without a job."""
