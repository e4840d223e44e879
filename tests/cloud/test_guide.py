"""The commands of the guide, the README and other pages, run literally and in order by a shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local import control
from tests.helpers.cloud_driver import Cloud
from tests.helpers.guide_pages import ROOT, environment_of, paste, shell_blocks

pytestmark = [pytest.mark.cloud, pytest.mark.slow]
CLIENTS = {"python": [sys.executable, "-c"], "js": ["node", "-e"], "r": ["Rscript", "-e"]}
TOOLS = ("aws", "curl", "jq")  # that the README's block for other clients calls


@pytest.fixture(scope="module")
def laptop(cloud: Cloud, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of the embedded cloud of the tests, or of another one if their cloud is elsewhere."""
    if control.status(home=home).running:
        yield home
        return
    own = tmp_path_factory.mktemp("laptop")
    yield own
    control.down(home=own, wipe=True)


def test_every_command_of_the_guide_succeeds_in_order(tmp_path: Path, laptop: Path) -> None:
    done = paste(shell_blocks("docs/guide.md"), tmp_path, laptop)
    assert (tmp_path / "predictions.csv").read_text().startswith("row,prediction")
    assert (tmp_path / "houses-1.onnx").stat().st_size > 1000
    assert "houses version 1 is live" in done.stderr
    assert "houses version 2 is live" in done.stderr


def test_every_command_of_the_pages_for_operators_succeeds_after_the_guide(tmp_path: Path, laptop: Path) -> None:
    done = paste(shell_blocks("docs/operations.md") + shell_blocks("docs/tenants.md"), tmp_path, laptop)
    assert "globex is suspended" in done.stderr
    assert "globex is deleted" in done.stderr
    assert "canary" in done.stdout


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory, laptop: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the commands of the README that need no AWS CLI; return the folder and the finished process."""
    folder = tmp_path_factory.mktemp("readme")
    return folder, paste([block for block in shell_blocks("README.md") if "aws " not in block], folder, laptop)


def test_every_command_of_the_readme_succeeds_in_order(
    readme: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = readme
    assert re.search(r"houses version \d+ is live", done.stderr)
    assert re.search(r"wohnungen version \d+ is live", done.stderr)
    assert re.search(r"rmse [\d.]+ on 5 rows", done.stderr)


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_any_s3_client_starts_a_run_and_any_http_client_calls_the_model(
    readme: tuple[Path, subprocess.CompletedProcess[str]], laptop: Path
) -> None:
    folder, _ = readme
    (block,) = (text for text in shell_blocks("README.md") if "aws " in text)
    done = paste([block, "modeldrop watch houses --json > ended.json"], folder, laptop)
    assert '"predictions":[{"value":' in done.stdout
    ended = json.loads((folder / "ended.json").read_text())
    assert (ended["status"], ended["target"]) == ("SUCCEEDED", "median_house_value")


@pytest.mark.skipif(not all(map(shutil.which, TOOLS[1:])), reason=f"needs {', '.join(TOOLS[1:])}")
def test_every_command_of_the_pages_on_http_succeeds(
    readme: tuple[Path, subprocess.CompletedProcess[str]], laptop: Path
) -> None:
    folder, _ = readme
    done = paste(shell_blocks("docs/api.md") + shell_blocks("docs/registry_api.md"), folder, laptop)
    assert '"predictions":[{"value":' in done.stdout
    assert '"moves":[{' in done.stdout


@pytest.mark.parametrize("language", CLIENTS)
def test_a_client_of_the_page_prints_a_prediction_of_the_live_model(
    readme: tuple[Path, subprocess.CompletedProcess[str]], laptop: Path, language: str
) -> None:
    folder, _ = readme
    if shutil.which(CLIENTS[language][0]) is None:
        pytest.skip(f"needs {CLIENTS[language][0]}")
    (variables,) = (text for text in shell_blocks("docs/clients.md") if "MODELDROP_API_URL" in text)
    exported = paste([variables, "env | grep ^MODELDROP_API_"], folder, laptop).stdout
    environment = environment_of(laptop) | dict(line.split("=", 1) for line in exported.splitlines())
    page = (ROOT / "docs" / "clients.md").read_text()
    for client in re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL):
        command = [*CLIENTS[language], client]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert float(done.stdout.removeprefix("[1]")) > 10_000, done.stderr  # R numbers what it prints
