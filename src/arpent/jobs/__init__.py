"""Jobs: the life cycle of a batch request: state machine, limits, the service that the routes call, and the runner."""
