"""V8: evalscripts in V8, in a locked-in child process."""
