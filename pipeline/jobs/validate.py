"""``python -m pipeline.jobs.validate --run RUN --job validate``: validate data that is too large for the function."""

from __future__ import annotations

import sys

from pipeline import bootstrap
from pipeline.jobs.runtime.job import make_work, run_job

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(run_job(make_work(bootstrap.validator())))
