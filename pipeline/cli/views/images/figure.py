"""An empty figure for a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contracts.errors import InvalidRequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure"]

_FORMATS = (".png", ".svg", ".pdf")


def new_figure(path: Path, *, width: float, height: float) -> Figure:
    """Return an empty figure.

    Args:
        path: The file that the figure will be saved to.
        width: Width in inches.
        height: Height in inches.

    Raises:
        InvalidRequestError: matplotlib is not installed, or ``path`` is not a .png, .svg or .pdf file.
    """
    if path.suffix.lower() not in _FORMATS:
        raise InvalidRequestError(
            f"'{path.name}' is not a supported image: a file that ends in {', '.join(_FORMATS)} is expected"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InvalidRequestError("--plot requires matplotlib: pip install 'modeldrop[local]' installs it") from error
    return Figure(figsize=(width, height), layout="constrained")
