"""Background process: ``python -m pipeline.local.server --home DIR --bind ADDRESS --port N`` (0: any free port).

Ends cleanly on SIGTERM and SIGINT. It logs to stderr; if it cannot start, the last line says why.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from pathlib import Path

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.home import Home, Server
from pipeline.local.private_names import check_version
from pipeline.local.processes import ACCOUNT, CREDENTIALS, REGION, ROOT

__all__ = ["main"]

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a user may choose it with --bind; the default is loopback


def main() -> int:
    """Serve until a signal; return 2 if the server cannot start."""
    arguments = _arguments()
    home = Home(arguments.home)
    try:
        home.make()
        check_version()
        listener = _listen(arguments.bind, arguments.port)
        server = _server(arguments.bind, listener.getsockname()[1])
        with home.claim(server):
            _configure(home, arguments.bind, server)
            from pipeline.local.emulator import Emulator  # MiniStack reads the environment on import

            Emulator(home, server).serve(listener)
    except (ConfigurationError, BlockingIOError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.local.server")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    return parser.parse_args()


def _listen(bind: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bind, port))
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {bind}:{port}: {error.strerror}") from error
    return listener


def _server(bind: str, port: int) -> Server:
    host = "127.0.0.1" if bind == _ANY_ADDRESS else bind
    return Server(pid=os.getpid(), port=port, endpoint_url=f"http://{host}:{port}", started=time.time(), root=str(ROOT))


def _configure(home: Home, bind: str, server: Server) -> None:
    """Set MiniStack's environment variables, and remove the user's AWS settings. Child processes get neither."""
    home.clear_temporary()
    home.temporary.mkdir(mode=0o700)
    for name in [name for name in os.environ if name.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_"))]:
        del os.environ[name]
    os.environ.update(
        {
            "GATEWAY_PORT": str(server.port),
            "BIND_HOST": bind,
            "MINISTACK_HOST": "localhost",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": CREDENTIALS[0],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS[1],
            "AWS_DEFAULT_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(home.state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(home.objects),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nowhere",  # MiniStack must not touch the user's containers
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(home.temporary),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
