"""The private names of MiniStack that the hooks replace or call exist as expected."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.private_names import VERSION, PrivateName, check, check_version


def test_the_installed_ministack_has_all_names_that_the_hooks_replace() -> None:
    """In a separate process: MiniStack reads the environment when it is imported."""
    script = (
        "from pipeline.local.emulator import PRIVATE_NAMES\n"
        "from pipeline.local.private_names import check\n"
        "check(PRIVATE_NAMES)\n"
        "print(len(PRIVATE_NAMES))"
    )
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def module(**names: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__="ministack.services.fake", **names)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (PrivateName(module=module(), name="_gone"), "ministack.services.fake._gone is missing"),
        (PrivateName(module=module(_f=1), name="_f", parameters=()), "_f is not callable"),
        (
            PrivateName(module=module(_f=lambda a, b: None), name="_f", parameters=("a",)),
            r"_f takes \(a, b\) instead of \(a\)",
        ),
        (PrivateName(module=module(_d={"a": 1}), name="_d", keys=("a", "b")), "_d has no b"),
    ],
)
def test_an_incompatible_ministack_is_refused_with_one_sentence(name: PrivateName, problem: str) -> None:
    check_version()
    with pytest.raises(ConfigurationError, match=rf"{problem}.*install ministack\[full\]=={VERSION}"):
        check([name])
