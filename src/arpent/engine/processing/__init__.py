"""Processing: a partition's features become statistics."""
