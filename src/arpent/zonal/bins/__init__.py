"""Bins of histograms: computes their edges, and counts the samples in each bin."""
