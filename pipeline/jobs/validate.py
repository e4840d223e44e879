"""``python -m pipeline.jobs.validate --run RUN --job validate``: what the function validates, where it is too large."""

from __future__ import annotations

import sys

from pipeline import bootstrap
from pipeline.jobs.runtime.job import run_job, work_of

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(run_job(work_of(bootstrap.validator())))
