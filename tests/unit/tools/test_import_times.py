"""The import times of the Lambda handlers and their ceilings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tools.import_times import CEILINGS, HANDLERS, ImportTime, find_slow, measure_import


def write_handler(folder: Path, text: str) -> Path:
    handler = folder / "start_run" / "app.py"
    handler.parent.mkdir(exist_ok=True)
    handler.write_text(text)
    return handler


def test_work_in_the_handler_module_raises_the_ratio(tmp_path: Path) -> None:
    modules = "import asyncio, decimal, email.message, http.client, json, unittest.mock\n"
    quick = measure_import(write_handler(tmp_path, modules), attempts=1)
    slow = measure_import(write_handler(tmp_path, f"{modules}sum(range(20_000_000))"), attempts=1)
    assert quick.handler == "start_run"
    assert slow.ratio > 2 * quick.ratio


def test_a_handler_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure_import(write_handler(tmp_path, "raise ImportError"), attempts=1)


def test_a_handler_above_its_ceiling_and_one_without_a_ceiling_are_reported() -> None:
    times = [ImportTime(handler=name, seconds=3.0, third_party_seconds=2.0) for name in ("quick", "slow", "new")]
    slow, new = find_slow(times, {"quick": 1.6, "slow": 1.4})
    assert "slow" in slow
    assert "1.50" in slow
    assert "1.40" in slow
    assert "new" in new


def test_every_handler_has_a_ceiling() -> None:
    assert json.loads(CEILINGS.read_text()).keys() == {handler.parent.name for handler in HANDLERS}
