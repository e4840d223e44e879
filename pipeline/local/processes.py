"""Environment and lifetime of the processes that the embedded cloud starts.

Only this module reads the server's own environment, to pass on what any program needs (PATH, HOME, TMPDIR, ...). A
user's AWS profile, keys and endpoints are not passed on: no handler or job can reach a real account by accident.
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
    """Return the environment of a handler or a job.

    Args:
        endpoint_url: Endpoint of AWS services.
        variables: Variables of the handler or the job. An empty AWS_ENDPOINT_URL means AWS, which is the embedded cloud
            here.
        path: Folder to put before this repository on PYTHONPATH.
    """
    own_variables = {name: value for name, value in variables.items() if (name, value) != ("AWS_ENDPOINT_URL", "")}
    return {
        **_environment_for_aws(endpoint_url),
        "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)])),
        **own_variables,
    }


def _environment_for_aws(endpoint_url: str) -> dict[str, str]:
    """Return what any program needs, and the settings to call ``endpoint_url`` as AWS."""
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
    """Return the environment of the server: the caller's, with this repository on PYTHONPATH."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def exit_with_parent(parent: int, end: Callable[[], None] = lambda: os._exit(1)) -> None:
    """Call ``end`` when the process ``parent`` has ended, even by SIGKILL.

    Linux's PR_SET_PDEATHSIG watches the thread that forked, and macOS has no equivalent.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_SECONDS)
        end()

    threading.Thread(target=watch, name="parent", daemon=True).start()
