"""Graph: the intermediate form of a script, pure operations in single assignment, independent of JavaScript's
syntax."""
