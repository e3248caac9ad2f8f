"""Keep the chain of custody of models and data in git."""

__version__ = "1.0.0"
