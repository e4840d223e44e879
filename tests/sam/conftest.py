"""The functions as AWS runs them: `sam build`'s output, in Lambda containers, beside an embedded cloud that they reach.

`make test-sam` builds first and sets MODELDROP_SAM. Without it these tests are skipped: Docker and Python 3.12 are
needed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from localstack_client.session import Session

from pipeline.local import control
from tests.helpers.cloud_driver import Cloud
from tests.helpers.sam_cli import Sam

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    is_requested = os.environ.get("MODELDROP_SAM") == "1"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.sam)
            if not is_requested:
                item.add_marker(pytest.mark.skip(reason="needs Docker, SAM and Python 3.12: make test-sam"))


@pytest.fixture(scope="session")
def bridge() -> str:
    """This machine's address as containers see it: a cloud on loopback is out of their reach."""
    inspect = ["docker", "network", "inspect", "bridge"]
    (network,) = json.loads(subprocess.run(inspect, check=True, capture_output=True).stdout)
    (config,) = network["IPAM"]["Config"]
    return str(config.get("Gateway") or next(ip_network(config["Subnet"]).hosts()))  # some engines leave it out


@pytest.fixture(scope="session")
def sam(bridge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sam]:
    home = tmp_path_factory.mktemp("cloud")
    status = control.up(home=home, bind=bridge, foreground=False, report=print)
    assert status.endpoint_url is not None
    try:
        cloud = Cloud(Session(localstack_host=status.endpoint_url.removeprefix("http://")))
        yield Sam(cloud, status.endpoint_url, tmp_path_factory.mktemp("sam"))
    finally:
        control.down(home=home, wipe=True)
