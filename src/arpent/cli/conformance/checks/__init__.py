"""The checks by subject, in the order in which they run."""
