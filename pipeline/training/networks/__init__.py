"""Network architectures, and the configuration that their algorithms share."""
