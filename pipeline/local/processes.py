"""Processes that the embedded cloud starts: what they see, and that they end when it ends.

The one environment that is read here is the server's own, to hand on what any program needs (PATH, HOME, TMPDIR, ...).
A user's AWS profile, keys and endpoints are not handed on: no handler or job can reach a real account by accident.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["ACCOUNT", "CREDENTIALS", "REGION", "ROOT", "child_environment", "exit_with_parent", "server_environment"]

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCOUNT = "000000000000"
CREDENTIALS = ("test", "test")

_USERS = ("AWS_", "LOCALSTACK_", "MODELDROP_", "POWERTOOLS_", "PYTHON")
_EMULATORS = (
    *("BIND_HOST", "DOCKER_HOST", "GATEWAY_PORT", "IOT_MTLS_", "LAMBDA_", "LOG_LEVEL", "MINISTACK_", "PERSIST_STATE"),
    *("S3_", "SFTP_", "STATE_DIR"),
)
_CHECK_SECONDS = 0.5


def child_environment(endpoint_url: str, variables: Mapping[str, str], *, path: str = "") -> dict[str, str]:
    """The environment of a handler or a job: ours, AWS at ``endpoint_url``, then its own ``variables``.

    ``path`` goes before this repository on PYTHONPATH. An empty AWS_ENDPOINT_URL means AWS itself, which is us here.
    """
    own_variables = {name: value for name, value in variables.items() if (name, value) != ("AWS_ENDPOINT_URL", "")}
    return {
        **_environment_for_aws(endpoint_url),
        "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)])),
        **own_variables,
    }


def _environment_for_aws(endpoint_url: str) -> dict[str, str]:
    """What a program needs to speak to ``endpoint_url`` and to nothing else that calls itself AWS."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_USERS + _EMULATORS)}
    host = urlsplit(endpoint_url).hostname or ""
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), host]))
    return {
        **inherited,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIALS[0],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS[1],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def server_environment() -> dict[str, str]:
    """The server's own: the caller's, with this repository on PYTHONPATH."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def exit_with_parent(parent: int, end: Callable[[], None] = lambda: os._exit(1)) -> None:
    """Call ``end`` when the process ``parent`` has ended, however it did: one that is killed by -9 tells nobody.

    Linux has PR_SET_PDEATHSIG for this, but it watches the thread that forked, and macOS has no such thing.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_SECONDS)
        end()

    threading.Thread(target=watch, name="parent", daemon=True).start()
