"""Run the programs of a deployment: docker, sam, and the project's scripts."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Commands", "Finished", "Programs"]

Report = Callable[[str], None]
_MAX_KEPT_LINES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """Program that has ended.

    Attributes:
        code: Exit code.
        output: Last lines of stdout and stderr.
    """

    code: int
    output: str

    @property
    def last_line(self) -> str:
        """Return the last line that is not blank."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"


class Commands(Protocol):
    """Runs programs. Tests replace it by recorded results."""

    def find(self, program: str) -> str | None:
        """Return the path of a program; None if it is not installed."""
        ...

    def run(
        self,
        *command: str,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        report: Report | None = None,
    ) -> Finished:
        """Run a program to its end; no exit code raises.

        Args:
            command: Program and arguments.
            stdin: Text for standard input; none by default.
            environment: Variables in addition to those of this process.
            report: Called with each line of output as it is written.
        """
        ...


class Programs:
    """Programs of this machine, run in the project's folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def find(self, program: str) -> str | None:
        """Return the path of a program; None if it is not installed."""
        return shutil.which(program, path=self._environment.get("PATH"))

    def run(
        self,
        *command: str,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        report: Report | None = None,
    ) -> Finished:
        """Run a program to its end, as Commands.run describes."""
        last_lines: deque[str] = deque(maxlen=_MAX_KEPT_LINES)
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env={**self._environment, **(environment or {})},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            if stdin is not None and process.stdin is not None:
                process.stdin.write(stdin)
                process.stdin.close()
            for line in process.stdout or ():
                last_lines.append(line)
                if report is not None:
                    report(line.rstrip())
        return Finished(code=process.returncode, output="".join(last_lines))
