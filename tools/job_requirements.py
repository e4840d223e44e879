"""Print the requirements of the jobs' image: dependencies and extra `train`, except libraries of the CLI and handlers.

python job_requirements.py pyproject.toml
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["job_requirements", "main"]

# Imported only by pipeline.cli and the Lambda handlers; tests/unit/tools checks that no job imports them.
LEFT_OUT = frozenset({"aws-lambda-powertools", "httptools", "httpx", "rich", "typer"})


def job_requirements(pyproject: Path) -> list[str]:
    """Read the requirements of the jobs.

    Args:
        pyproject: Path of pyproject.toml.

    Returns:
        Requirements in pip's format.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    return [text for text in requirements if re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0] not in LEFT_OUT]


def main(arguments: list[str]) -> int:
    """Print one requirement per line."""
    print("\n".join(job_requirements(Path(arguments[0]))))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
