"""modeldrop: Model-as-a-Service as a serverless pipeline. The stages are the folders, in the order of the data."""

__version__ = "0.1.0"
