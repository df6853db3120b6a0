"""Ports: the Protocols between the domain and the world; `adapters/` implements them."""
