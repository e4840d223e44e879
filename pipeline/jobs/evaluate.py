"""``python -m pipeline.jobs.evaluate --run RUN --job evaluate``: evaluate on data that is too large for a function."""

from __future__ import annotations

import sys

from pipeline import bootstrap
from pipeline.jobs.runtime.job import make_work, run_job

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(run_job(make_work(bootstrap.evaluation_job())))
