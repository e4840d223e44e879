"""Scheduled function: delete the files of deleted versions whose grace period is over."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import version_purger
from pipeline.lambda_handlers import count, describe_error, event_function, logger

purge_versions = version_purger()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    """Purge deleted versions; return how many were purged, and for how many tenants purging failed."""
    versions, failures = purge_versions()
    for version in versions:
        logger.info("deleted version purged", version=version)
    for tenant, error in failures.items():
        logger.error("deleted versions not purged", tenant=tenant, **describe_error(error))
    count("VersionsPurged", len(versions))
    count("PurgesFailed", len(failures))
    return {"versions": len(versions), "failed_tenants": len(failures)}
