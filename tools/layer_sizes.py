"""Estimate the unzipped size of every function with its layers, from the libraries that are installed here.

Each layer's own Makefile strips a copy of the installed distributions, so that the same files are removed. Only the
download of Lambda's wheels and their compilation are skipped; the installed .pyc files are counted instead. Wheels for
another Python version differ slightly: a layer by 3 % from `sam build`, a function with its layers by 1 %.
`make test-sam` measures the real sizes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pipeline.deployment.template import read_template

__all__ = ["LAMBDA_LIMIT", "MARGIN", "estimate_layer", "function_sizes", "main", "too_large"]

ROOT = Path(__file__).resolve().parents[1]
LAMBDA_LIMIT = 262_144_000  # unzipped bytes of a function and its layers together
MARGIN = 0.01  # relative error of the estimate: wheels for Lambda's Python may be larger
HEADROOM = 10_000_000  # bytes that a patch release of a library may add


def estimate_layer(folder: Path) -> int:
    """Estimate the size of a layer.

    Args:
        folder: A folder below ``layers/``.

    Returns:
        Unzipped bytes.

    Raises:
        PackageNotFoundError: A library of the layer is not installed.
    """
    requirements = folder / "requirements.txt"
    with tempfile.TemporaryDirectory() as build_folder:
        site = Path(build_folder) / "python"
        site.mkdir()
        skipped = ["install-requirements="]
        if requirements.is_file():
            skipped += ["compile-all=", "compile-without-sources=find '$(SITE)' -type f -name '*.py' -delete"]
            for line in requirements.read_text().splitlines():
                if "==" in line:
                    _copy(line.split("==")[0], site)
        target = f"build-{folder.name.capitalize()}Layer"
        command = ["make", "-s", "-f", str(folder / "Makefile"), target, f"ARTIFACTS_DIR={build_folder}", *skipped]
        subprocess.run([*command, f"PYTHON={sys.executable}"], cwd=ROOT / "pipeline", check=True)
        return _bytes(Path(build_folder))


def function_sizes(layers: Mapping[str, int]) -> dict[str, int]:
    """Return the size of each function with its layers, in bytes by logical id."""
    own_bytes = {path.name.replace("_", "") + "function": _bytes(path) for path in (ROOT / "functions").iterdir()}
    template = read_template(ROOT / "template.yaml")
    return {
        name: own_bytes.get(name.lower(), 0) + sum(layers[layer] for layer in used)
        for name, used in template.layers.items()
    }


def too_large(sizes: Mapping[str, int]) -> list[str]:
    """Return a message for each function that exceeds Lambda's limit less margin and headroom."""
    max_bytes = int((LAMBDA_LIMIT - HEADROOM) / (1 + MARGIN))
    return [
        f"{name} has {size:,} bytes with its layers: at most {max_bytes:,} are expected "
        f"({LAMBDA_LIMIT:,} less headroom)"
        for name, size in sizes.items()
        if size > max_bytes
    ]


def main() -> int:
    """Print the sizes; return 1 if a function is too large, or a library of a layer is missing."""
    if not sys.platform.startswith("linux"):
        print("skipped: layer sizes are estimated only on Linux, where Linux wheels are installed")  # noqa: T201
        return 0
    folders = sorted(path.parent for path in (ROOT / "layers").glob("*/Makefile"))
    try:
        with ThreadPoolExecutor(2) as pool:
            sizes = list(pool.map(estimate_layer, folders))
    except PackageNotFoundError as error:
        print(f"{error.name} is in a layer and not installed here: 'make check' installs it")  # noqa: T201
        return 1
    layers = {f"{folder.name.capitalize()}Layer": size for folder, size in zip(folders, sizes, strict=True)}
    totals = function_sizes(layers)
    largest = max(totals, key=lambda name: totals[name])
    for name, size in layers.items():
        print(f"{name:16} {size / 1e6:6.1f} MB")  # noqa: T201
    print(f"largest: {largest} with {totals[largest] / 1e6:.1f} of {LAMBDA_LIMIT / 1e6:.1f} MB")  # noqa: T201
    problems = too_large(totals)
    for problem in problems:
        print(problem)  # noqa: T201
    return 1 if problems else 0


def _copy(name: str, site: Path) -> None:
    """Copy the installed files of one distribution, except scripts outside the library folder."""
    installed = distribution(name)
    for file in installed.files or []:
        source = Path(str(installed.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
