"""What holds for every test: an environment that names no real account."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import hypothesis
import pytest

gc.disable()  # until all tests are collected

# Powertools reads these when it is imported, boto3 looks for credentials when it is first asked for some.
os.environ.update(
    {
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
)

# No example has a time limit: the first one may import a library, and the machine may be busy.
hypothesis.settings.register_profile("modeldrop", deadline=None)
hypothesis.settings.load_profile("modeldrop")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt what is there before the first test from garbage collection.

    Imported modules and ten thousand tests are millions of objects, and each full collection goes through all of them:
    up to a fifth of the processor's time.
    """
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
