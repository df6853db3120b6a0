"""Network: where items may lead this machine, and a client that goes nowhere else."""
