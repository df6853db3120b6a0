"""The Python API: statistics of fields, computed on this machine or by a server; users import it from `arpent`."""
