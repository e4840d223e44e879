"""What MiniStack lacks, one module a gap. Each can go when upstream closes it.

A module declares the ``PRIVATE_NAMES`` that it replaces or calls, and ``install`` does it. Its settings are in the
environment before it is imported: MiniStack reads them when its modules are.
"""

__all__: list[str] = []
