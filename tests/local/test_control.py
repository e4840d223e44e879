"""`up`, `down` and `status` with the real template."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.contracts.stack import StackStatus
from pipeline.local import control
from pipeline.local.home import Home

pytestmark = pytest.mark.cloud


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    control.down(home=tmp_path / "home", wipe=True)


def test_a_stack_goes_up_and_down_and_comes_back_at_the_same_address(home: Path) -> None:
    reports: list[str] = []
    first = control.up(home=home, report=reports.append)
    assert first == control.status(home=home)
    assert reports == ["starting the embedded cloud", "deploying template.yaml"]
    assert live(first) == 200

    assert control.up(home=home, report=reports.append) == first
    assert len(reports) == 2

    assert control.down(home=home) is True
    assert control.status(home=home).running is False
    assert control.down(home=home) is False

    assert control.up(home=home, report=reports.append) == first
    assert reports[2:] == ["starting the embedded cloud"]
    assert live(first) == 200

    assert control.down(home=home, wipe=True) is True
    assert (home / "api_key").exists() is False


def test_parameters_except_allowed_code_are_kept_until_they_are_cleared(home: Path) -> None:
    reports: list[str] = []
    control.up(home=home, parameters={"WebhookUrl": "https://127.0.0.1:9/", "ModelCode": "none"})
    assert Home(home).parameters() == {"WebhookUrl": "https://127.0.0.1:9/"}
    control.up(home=home, report=reports.append)
    assert "parameters of an earlier 'up' are kept: WebhookUrl" in reports
    control.up(home=home, parameters={"WebhookUrl": ""})
    assert Home(home).parameters() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_foreground_server_runs_until_a_signal(home: Path, number: signal.Signals) -> None:
    script = (
        "from pathlib import Path\n"
        "from pipeline.local import control\n"
        f"control.up(home=Path({str(home)!r}), foreground=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        end = time.monotonic() + 60
        while not control.status(home=home).running:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) == 0
    assert control.status(home=home).running is False


def live(status: StackStatus) -> int:
    key = status.api_key or ""
    return httpx.get(f"{status.api_url}/v2/health/live", headers={"x-api-key": key}, timeout=30).status_code
