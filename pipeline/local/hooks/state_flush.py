"""Gap: the state is written on a clean end alone."""

from __future__ import annotations

from ministack import app
from ministack.core import persistence

from pipeline.local.private_names import PrivateName

__all__ = ["PRIVATE_NAMES", "flush"]

PRIVATE_NAMES = (
    PrivateName(module=app, name="_build_persistence_save_dict", parameters=()),
    PrivateName(module=persistence, name="save_all", parameters=("services",)),
)


def flush() -> None:
    """Write the state of all services, 0.1 to 0.4 s; objects are written when they are put."""
    persistence.save_all(app._build_persistence_save_dict())
