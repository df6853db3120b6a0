"""arpent: what did each of these fields look like, over time?"""

__version__ = "0.1.0"
