"""Work: analyses and partitions, handed out by lease."""
