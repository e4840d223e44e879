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


# Files that take 10 s of CPU or more, longest first: a process that began with one of these last would end alone.
_LONGEST_FILES = (
    "tests/cloud/test_guide.py",
    "tests/cloud/test_real_data.py",
    "tests/local/test_kill.py",
    "tests/cloud/test_whole_way.py",
    "tests/cloud/test_small_plan.py",
    "tests/cloud/test_several_nodes.py",
    "tests/cloud/test_kill.py",
    "tests/cloud/test_model_code.py",
    "tests/distributed/test_processes.py",
    "tests/local/test_cloud.py",
    "tests/unit/jobs/test_code.py",
    "tests/integration/test_kinds_of_columns_are_inferred_from_their_values.py",
    "tests/unit/training/test_target.py",
    "tests/unit/training/test_privacy.py",
    "tests/unit/compression/test_make_variants.py",
    "tests/unit/training/test_algorithms.py",
    "tests/unit/training/test_real_data.py",
    "tests/integration/test_s3_object_store.py",
    "tests/integration/test_permissions.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, for the processes of ``make test``."""
    ranks = {file: rank for rank, file in enumerate(_LONGEST_FILES)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


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
