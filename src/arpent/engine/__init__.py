"""Engine: turns pixels into statistics. `analysis` finds out what a job needs, `processing` computes its results."""
