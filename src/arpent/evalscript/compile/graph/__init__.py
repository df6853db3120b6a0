"""Graph: a script's intermediate form, pure operations in single assignment, independent of JavaScript's syntax."""
