"""`arpent demo`: the real service's documented workflow, word for word, against a server on this machine."""
