"""Ports: the Protocols through which the domain uses the outside world; `adapters/` implements them."""
