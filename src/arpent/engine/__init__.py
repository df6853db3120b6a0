"""One straight line from a partition to numbers."""
