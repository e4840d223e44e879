"""Replacements for what MiniStack lacks, one module per gap, in one package per AWS service.

Each module can be deleted when upstream closes its gap. A module declares the ``PRIVATE_NAMES`` that it replaces or
calls, and ``install`` replaces them. MiniStack reads its settings from the environment when its modules are imported,
so they must be set before.
"""

__all__: list[str] = []
