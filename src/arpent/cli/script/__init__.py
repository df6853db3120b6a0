"""The bench for evalscripts: `arpent script check` and `arpent script run`."""
