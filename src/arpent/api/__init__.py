"""The Python API: statistics of fields by this machine or by a server; `arpent` itself shows it."""
