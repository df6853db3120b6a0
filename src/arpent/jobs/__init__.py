"""The life of a request: the state machine, its limits, what the routes call, and the runner."""
