"""Jobs: the life of a request: state machine, limits, what the routes call, and the runner."""
