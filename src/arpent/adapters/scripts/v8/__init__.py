"""V8: runs evalscripts in V8, in a sandboxed child process."""
