"""Processing: computes the statistics of a partition's features and writes them."""
