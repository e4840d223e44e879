"""Parent process of one job: ``python -m pipeline.local.supervise SERVER COMMAND...`` runs it as a container would.

It forwards SIGTERM only to the command, not to what the command started. The exit code of a killed command is 128 plus
the signal's number. When the server with the process id SERVER ends in any way, the whole process group is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

from pipeline.local.processes import exit_with_parent

_NOT_FOUND = 127  # exit code of a shell or container whose command cannot be started


def main() -> int:
    """Run the command, and return its exit code."""
    server, command = int(sys.argv[1]), sys.argv[2:]
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return _NOT_FOUND

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    exit_with_parent(server, lambda: os.killpg(0, signal.SIGKILL))
    code = process.wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # processes that the command left would keep its output open
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
