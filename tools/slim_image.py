"""Remove what no job imports from an installed environment, print the remaining sizes, and fail above a limit.

Runs while the jobs' image is built, with the environment's own Python and only the standard library:

    python slim_image.py cpu

A CPU image must not contain a CUDA library: a single wrong wheel index would make it ten times as large.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

__all__ = ["LIMITS", "REMOVED", "cuda_distributions", "main", "measure", "slim"]

LIMITS = {"cpu": 1_400_000_000, "gpu": 7_500_000_000}  # installed bytes
_CUDA = re.compile(r"(nvidia-|cuda-|triton$|pytorch-triton)")
REMOVED = (
    "torch/test",
    "torch/bin/upgrader_models",
    "torch/include",
    "torch/share",
    "onnx/backend/test",
    "pipeline/cli",
    "pipeline/cloud/signed",
    "pipeline/conversion",
    "pipeline/deployment",
    "pipeline/lambda_handlers.py",
    "pipeline/lambda_http.py",
    "pipeline/load_test",
    "pipeline/local",
    "pipeline/registry/sign_in",
    "pipeline/server",
)
_TESTED = ("networkx", "scipy", "sklearn", "sympy")  # packages that contain their tests
_SUFFIXES = (".a", ".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx")
_KEPT_PROGRAMS = {"torch_shm_manager"}  # in torch/bin; torch needs it to share tensors between processes
_LARGEST = 12  # number of distributions to print


def slim(site: Path) -> int:
    """Remove tests, headers, sources of compiled modules, and modules of modeldrop that no job runs.

    Args:
        site: The environment's site-packages.

    Returns:
        Removed bytes.
    """
    before = _bytes(site)
    folders = [site / name for name in REMOVED]
    folders += [folder for name in _TESTED for folder in (site / name).rglob("tests")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    files = [file for file in site.rglob("*") if file.suffix in _SUFFIXES and file.is_file()]
    files += [path for name in REMOVED if (path := site / name).is_file()]
    files += [file for file in site.glob("torch/bin/*") if file.is_file() and file.name not in _KEPT_PROGRAMS]
    for file in files:
        file.unlink()
    return before - _bytes(site)


def measure(site: Path) -> dict[str, int]:
    """Return the size of each distribution on disk, in bytes, largest first.

    Args:
        site: The environment's site-packages.
    """
    sizes = {}
    for installed in distributions(path=[str(site)]):
        files = {Path(str(installed.locate_file(file))) for file in installed.files or []}
        sizes[installed.name] = sum(file.stat().st_size for file in files if file.is_file())
    return dict(sorted(sizes.items(), key=lambda pair: -pair[1]))


def cuda_distributions(site: Path) -> list[str]:
    """Return the distributions that contain CUDA libraries, and torch if it was built for CUDA."""
    names = []
    for installed in distributions(path=[str(site)]):
        name = installed.name.lower().replace("_", "-")
        if _CUDA.match(name) or (name == "torch" and re.search(r"\+cu\d", installed.version)):
            names.append(f"{installed.name} {installed.version}")
    return sorted(names)


def main(arguments: list[str], site: Path) -> int:
    """Slim, print, check; return 1 if the image is too large, or a CPU image has CUDA."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=LIMITS)
    parser.add_argument("--check-only", action="store_true", help="remove nothing")
    options = parser.parse_args(arguments)
    if not options.check_only:
        print(f"removed {slim(site) / 1e6:,.0f} MB that no job imports")  # noqa: T201
    for name, size in list(measure(site).items())[:_LARGEST]:
        print(f"{size / 1e6:8,.1f} MB  {name}")  # noqa: T201
    total, limit = _bytes(site), LIMITS[options.kind]
    print(f"{total / 1e6:8,.1f} MB  installed in the {options.kind} image; at most {limit / 1e6:,.0f} are expected")  # noqa: T201
    problems = []
    if total > limit:
        problems.append(f"the {options.kind} image is {total - limit:,} bytes too large")
    if options.kind == "cpu" and (cuda := cuda_distributions(site)):
        problems.append(
            f"the cpu image has CUDA libraries ({', '.join(cuda)}): set TORCH_INDEX to an index of CPU wheels"
        )
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(sysconfig.get_path("purelib"))))
