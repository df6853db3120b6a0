"""Engine: pixels to statistics. `analysis` finds out what a job needs, `processing` computes it."""
