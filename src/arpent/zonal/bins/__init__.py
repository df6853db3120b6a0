"""Bins of histograms: where their edges lie, and how many samples each holds."""
