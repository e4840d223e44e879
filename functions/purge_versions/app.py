"""Scheduled: delete the files of versions whose grace period after a deletion is over."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import version_purger
from pipeline.lambda_handlers import count, event_function, logger

purge_versions = version_purger()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    """Purge deleted versions, and return their number."""
    purged = purge_versions()
    for version in purged:
        logger.info("deleted version purged", version=version)
    count("VersionsPurged", len(purged))
    return {"versions": len(purged)}
