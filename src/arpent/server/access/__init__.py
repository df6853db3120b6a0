"""Access: which client sends a request, and what the client may do."""
