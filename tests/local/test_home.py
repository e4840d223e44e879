"""The folder of an embedded cloud and the server that uses it."""

from __future__ import annotations

import os
import resource
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.contracts.stack import StackStatus
from pipeline.local import control
from pipeline.local.home import Home, LocalDeployment, Server
from pipeline.local.launch import start

SERVER = Server(pid=os.getpid(), port=4000, endpoint_url="http://127.0.0.1:4000", started=1.0)
DEPLOYED = LocalDeployment(digest="d", uploads_bucket="u", artifacts_bucket="a", api_path="/restapis/x")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def test_a_server_is_known_while_it_runs_and_its_port_afterwards(home: Home) -> None:
    assert (home.server(), home.last_port()) == (None, None)
    with home.claim(SERVER):
        assert home.server() == SERVER
    assert (home.server(), home.last_port()) == (None, 4000)


def test_two_servers_do_not_share_a_folder(home: Home) -> None:
    with home.claim(SERVER), pytest.raises(BlockingIOError), home.claim(SERVER):
        pass


def test_only_this_user_can_read_the_key(home: Home) -> None:
    home.save_api_key("md_secret")
    assert home.api_key() == "md_secret"
    assert stat.S_IMODE((home.path / "api_key").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/home cannot be written: Not a directory.*--home"):
        control.up(home=tmp_path / "file" / "home")


def test_a_server_of_another_copy_of_the_code_is_reported_and_not_changed(home: Home) -> None:
    with home.claim(replace(SERVER, root="/opt/another-clone")):
        with pytest.raises(ConfigurationError, match=r"runs the code of /opt/another-clone.*'modeldrop down'"):
            control.up(home=home.path)
        assert home.deployed() is None


def test_a_start_without_disk_space_is_refused(home: Home) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))  # as a full disk does, it refuses writes
    try:
        with pytest.raises(ConfigurationError, match=r"home cannot be written: File too large.*--home"):
            start(home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not (home.path / "probe").exists()


def test_a_damaged_file_is_named_in_the_error(home: Home) -> None:
    home.save_deployment(DEPLOYED)
    (home.path / "stack.json").write_text('{"digest":')
    with pytest.raises(ConfigurationError, match=r"stack\.json is damaged .*'modeldrop up'"):
        home.deployed()


def test_wipe_keeps_other_files(home: Home) -> None:
    (home.path / "notes.txt").write_text("mine")
    home.save_deployment(DEPLOYED)
    home.save_api_key("md_secret")
    home.wipe()
    assert (home.deployed(), home.api_key()) == (None, None)
    assert not any(folder.exists() for folder in (home.state, home.objects, home.logs))
    assert (home.path / "notes.txt").read_text() == "mine"


def test_status_and_down_of_a_missing_folder_create_nothing(tmp_path: Path) -> None:
    stack_status = control.status(home=tmp_path / "none")
    assert (stack_status.running, stack_status.endpoint_url, stack_status.api_key) == (False, None, None)
    assert control.down(home=tmp_path / "none", wipe=True) is False
    assert not (tmp_path / "none").exists()


def test_status_has_all_addresses(home: Home) -> None:
    home.save_deployment(DEPLOYED)
    home.save_api_key("md_secret")
    with home.claim(SERVER):
        stack_status = control.status(home=home.path)
    assert stack_status == StackStatus(
        running=True,
        home=home.path,
        logs=home.path / "logs",
        endpoint_url="http://127.0.0.1:4000",
        region="us-east-1",
        uploads_bucket="u",
        artifacts_bucket="a",
        api_url="http://127.0.0.1:4000/restapis/x",
        tenant="demo",
        api_key="md_secret",
    )
