"""Network: where this machine may go for what items name, and a client that goes nowhere else."""
