"""Analysis: what is found out about a job before it is processed."""
