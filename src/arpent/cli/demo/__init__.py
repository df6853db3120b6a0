"""`arpent demo`: the workflow of the real service's documentation, step by step, against a server on this machine."""
