"""Network architectures and what their algorithms have in common."""
