"""The embedded cloud: MiniStack in its own process (``server``), replacements for what it lacks (``hooks``), and the
commands that start and stop it (``control``).

Only ``pipeline.cli`` imports this package: jobs and functions call an endpoint, as on AWS.
"""

__all__: list[str] = []
