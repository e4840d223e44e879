"""Private names of MiniStack that the hooks replace or call, checked before any is replaced."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline.contracts.errors import ConfigurationError

__all__ = ["VERSION", "PrivateName", "check", "check_version", "private_names"]

VERSION = "1.5.33"
_ADVICE = f"install ministack[full]=={VERSION}, the version pinned in pyproject.toml"


@dataclass(frozen=True, kw_only=True)
class PrivateName:
    """Private name in a module.

    Attributes:
        module: Module of MiniStack.
        name: Name in the module.
        parameters: Parameters of a function, in order; None if it is not checked.
        keys: Keys that a mapping must have.
    """

    module: Any
    name: str
    parameters: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None

    def problem(self) -> str | None:
        """Return how the name differs from what the hooks expect; None if it does not."""
        label = f"{self.module.__name__}.{self.name}"
        member = getattr(self.module, self.name, None)
        if member is None:
            return f"{label} is missing"
        if self.parameters is not None:
            if not callable(member):
                return f"{label} is not callable"
            parameters = tuple(inspect.signature(member).parameters)
            if parameters != self.parameters:
                return f"{label} takes ({', '.join(parameters)}) instead of ({', '.join(self.parameters)})"
        missing = [key for key in self.keys or () if key not in member]
        return f"{label} has no {', '.join(missing)}" if missing else None


def private_names(module: Any, *declarations: str) -> tuple[PrivateName, ...]:
    """Declare private names of a module.

    Args:
        module: Module of MiniStack.
        declarations: Names; the name of a function with its parameters, such as ``_job_arn(job_id)``.
    """
    parsed = (declaration.rstrip(")").partition("(") for declaration in declarations)
    return tuple(
        PrivateName(module=module, name=name, parameters=tuple(filter(None, parameters.split(", "))) if call else None)
        for name, call, parameters in parsed
    )


def check_version() -> None:
    """Check that the expected version of MiniStack is installed.

    Raises:
        ConfigurationError: MiniStack is missing, or has another version.
    """
    try:
        installed = version("ministack")
    except PackageNotFoundError as error:
        raise ConfigurationError(f"the embedded cloud needs MiniStack, which is not installed: {_ADVICE}") from error
    if installed != VERSION:
        raise ConfigurationError(f"MiniStack {installed} is installed, expected {VERSION}: {_ADVICE}")


def check(names: Iterable[PrivateName]) -> None:
    """Check that all names are as the hooks expect them.

    Raises:
        ConfigurationError: Some names differ; the message lists them.
    """
    problems = [problem for name in names if (problem := name.problem())]
    if problems:
        raise ConfigurationError(f"MiniStack {VERSION} is not as expected ({'; '.join(problems)}): {_ADVICE}")
