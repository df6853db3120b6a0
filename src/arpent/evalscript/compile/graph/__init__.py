"""Graph: the intermediate form of a script, pure operations in single assignment; it knows no JavaScript syntax."""
