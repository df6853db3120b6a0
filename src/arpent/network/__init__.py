"""Network: the policy on which hosts and folders may be reached, and HTTP clients that enforce it."""
