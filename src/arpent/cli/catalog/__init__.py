"""`arpent catalog`: catalogues made from what is no catalogue."""
