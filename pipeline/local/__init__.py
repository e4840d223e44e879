"""The embedded cloud, which stands in for AWS on this machine.

It is MiniStack in its own process (``server``), replacements for what MiniStack lacks (``hooks``), and the functions
that start and stop it (``control``).

Only ``pipeline.cli`` imports this package: jobs and functions call an endpoint, as on AWS.
"""

__all__: list[str] = []
