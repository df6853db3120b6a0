"""Counts: how far a job is, what its rows came to, and how fast it goes."""
