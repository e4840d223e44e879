"""Print what the jobs' image installs: the project's dependencies and its extra `train`, without the command line's.

python job_requirements.py pyproject.toml
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["job_requirements", "main"]

# Imported by pipeline.cli and by the functions' edge alone; tests/unit/tools holds that no job imports them.
LEFT_OUT = frozenset({"aws-lambda-powertools", "httpx", "rich", "typer"})


def job_requirements(pyproject: Path) -> list[str]:
    """Read the requirements of the jobs.

    Args:
        pyproject: The project's pyproject.toml.

    Returns:
        Requirements as pip reads them.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    return [text for text in requirements if re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0] not in LEFT_OUT]


def main(arguments: list[str]) -> int:
    """Print one requirement a line."""
    print("\n".join(job_requirements(Path(arguments[0]))))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
