"""Engine: pixels to statistics; analysis says what a job needs, processing does it."""
