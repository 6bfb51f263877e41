"""nmflowgan: real camera noise for clean photographs."""

__version__ = "0.1.0"
