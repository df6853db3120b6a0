"""Analysis: checks a job, estimates its work and divides it into partitions before it is processed."""
