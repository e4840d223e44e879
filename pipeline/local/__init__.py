"""The embedded cloud: MiniStack in a process of its own, what it lacks (``hooks``), and the switches (``control``).

Nothing outside of ``pipeline.cli`` knows it: jobs and functions meet an endpoint, as on AWS.
"""

__all__: list[str] = []
