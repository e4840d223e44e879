"""The images of the jobs: removed files, size limits, and how they are built."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tools.job_requirements import LEFT_OUT, job_requirements
from tools.slim_image import LIMITS, REMOVED, cuda_distributions, main, measure, slim

ROOT = Path(__file__).parents[3]


def _install(site: Path, name: str, version: str, files: dict[str, int]) -> None:
    """Write a distribution with files of given sizes."""
    record = "".join(f"{file},,\n" for file in files)
    for file, size in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(b"x" * size)
    metadata = site / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "RECORD").write_text(record)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    _install(
        tmp_path,
        "torch",
        "2.13.0+cpu",
        {
            "torch/__init__.py": 10,
            "torch/test/test_it": 500,
            "torch/include/a.h": 300,
            "torch/bin/protoc": 30,
            "torch/bin/upgrader_models/a": 10,
        },
    )
    _install(tmp_path, "scipy", "1.0", {"scipy/stats/norm.py": 20, "scipy/stats/tests/test_norm.py": 70})
    _install(tmp_path, "numpy", "2.0", {"numpy/tests/natype.py": 5, "numpy/core.c": 7})
    _install(
        tmp_path,
        "modeldrop",
        "0.1.0",
        {"pipeline/jobs/train.py": 9, "pipeline/cli/main.py": 80, "pipeline/lambda_handlers.py": 10},
    )
    return tmp_path


def test_slim_removes_tests_headers_and_command_line_code(site: Path) -> None:
    assert slim(site) == 500 + 300 + 40 + 70 + 7 + 90
    left = {str(file.relative_to(site)) for file in site.rglob("*.py")}
    assert left == {"torch/__init__.py", "scipy/stats/norm.py", "numpy/tests/natype.py", "pipeline/jobs/train.py"}


def test_measure_lists_the_remaining_sizes_largest_first(site: Path) -> None:
    slim(site)
    assert list(measure(site).items()) == [("scipy", 20), ("torch", 10), ("modeldrop", 9), ("numpy", 5)]


@pytest.mark.parametrize("name", ["nvidia-cublas-cu12", "nvidia_cudnn_cu12", "triton", "cuda-bindings"])
def test_a_cpu_image_with_a_cuda_library_is_refused(site: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cpu"], site) == 0
    _install(site, name, "1.0", {f"{name}/lib.so": 1})
    assert main(["cpu"], site) == 1
    assert name in capsys.readouterr().err
    assert main(["gpu"], site) == 0


def test_a_torch_built_for_cuda_is_found(tmp_path: Path) -> None:
    _install(tmp_path, "torch", "2.13.0+cu128", {"torch/__init__.py": 1})
    assert cuda_distributions(tmp_path) == ["torch 2.13.0+cu128"]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_size_of_an_image_is_printed_and_a_too_large_image_is_refused(
    kind: str, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slim(site)
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    for limit, code in ((size, 0), (size - 1, 1)):
        monkeypatch.setitem(LIMITS, kind, limit)
        assert main([kind], site) == code
        printed = capsys.readouterr()
        assert f"{kind} image" in printed.out
        assert (f"the {kind} image is 1 bytes" in printed.err) == bool(code)


def test_the_size_limits_of_both_images_are_documented() -> None:
    text = " ".join((ROOT / "docs" / "deploy.md").read_text().split())
    assert f"{LIMITS['cpu'] / 1e9:g} GB for the CPU image" in text
    assert f"{LIMITS['gpu'] / 1e9:g} GB for the GPU image" in text
    assert "The GPU image has not been built yet" in text


def test_the_jobs_get_all_dependencies_except_those_of_the_command() -> None:
    requirements = job_requirements(ROOT / "pyproject.toml")
    names = {text.split(">")[0].split("=")[0].split("<")[0] for text in requirements}
    assert {"torch", "polars", "boto3", "lightgbm", "optuna"} <= names
    assert not names & LEFT_OUT


def test_no_job_imports_a_package_that_its_image_lacks() -> None:
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({[name.replace('-', '_') for name in LEFT_OUT]!r}))\n"
        "sys.modules.update(dict.fromkeys(['pipeline.cli', 'pipeline.local', 'pipeline.deployment']))\n"
        "import pkgutil, pipeline, pipeline.jobs as jobs\n"
        "[__import__(module.name) for module in pkgutil.walk_packages(jobs.__path__, 'pipeline.jobs.')]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def _imports_at_once(tree: ast.Module) -> set[str]:
    """Names of the packages that a module imports when it is imported itself."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_every_module_in_the_image_can_be_imported_there() -> None:
    """The Dockerfile imports them all; what only other extras install must not be among what they import at once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    others = {name for extra in project["optional-dependencies"].values() for name in map(_name, extra)}
    others |= set(map(_name, project["dependencies"]))
    others -= {project["name"], *map(_name, job_requirements(ROOT / "pyproject.toml"))}
    distributions = {
        package: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        for package, names in packages_distributions().items()
    }
    missing = {package for package, names in distributions.items() if names and names <= others}
    assert {"typer", "uvloop", "httptools"} <= missing
    kept = [
        path
        for path in (ROOT / "pipeline").rglob("*.py")
        if not any(path.is_relative_to(ROOT / name) for name in REMOVED)
    ]
    faults = {str(path.relative_to(ROOT)): _imports_at_once(ast.parse(path.read_text())) & missing for path in kept}
    assert {path: names for path, names in faults.items() if names} == {}


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A docker command that records its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\necho 1000000000\n')
    program.chmod(0o755)
    return tmp_path


def _make_image(docker: Path, *kinds: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{docker / 'bin'}:{os.environ['PATH']}"}
    command = [str(ROOT / "tools" / "make_image.sh"), *kinds]
    return subprocess.run(
        command, env={**os.environ, **path, **environment}, capture_output=True, text=True, check=False
    )


def test_both_images_are_built_for_amd64_with_their_build_of_torch(docker: Path) -> None:
    done = _make_image(docker)
    assert done.returncode == 0, done.stderr
    cpu, gpu = [line for line in (docker / "calls").read_text().splitlines() if line.startswith("build")]
    assert "-t modeldrop-jobs:latest --build-arg BASE=python:3.12-slim --build-arg KIND=cpu" in cpu
    assert "whl/cpu" in cpu
    assert "-t modeldrop-jobs:gpu --build-arg BASE=nvidia/cuda" in gpu
    assert "KIND=gpu" in gpu
    assert "whl/cu" in gpu
    assert all("--platform linux/amd64" in line for line in (cpu, gpu))
    assert "built modeldrop-jobs:latest: 1000 MB" in done.stdout


def test_a_single_image_may_be_built_from_another_base(docker: Path) -> None:
    done = _make_image(docker, "cpu", CPU_BASE="registry/python:3.12")
    assert done.returncode == 0, done.stderr
    builds = [line for line in (docker / "calls").read_text().splitlines() if line.startswith("build")]
    assert len(builds) == 1
    assert "BASE=registry/python:3.12" in builds[0]


def test_an_unknown_kind_of_image_is_refused_before_the_build(docker: Path) -> None:
    done = _make_image(docker, "cpu", "tpu")
    assert done.returncode == 2
    assert "'tpu'" in done.stderr
    assert not (docker / "calls").exists()
