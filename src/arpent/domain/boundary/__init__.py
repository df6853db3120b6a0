"""Boundary: rules for everything that enters arpent or leaves it, such as text, geometries, addresses and errors."""
