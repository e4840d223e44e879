"""The sizes of layers, estimated from the installed libraries, and their limit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pipeline.deployment.template import read_template
from tools.layer_sizes import HEADROOM, LAMBDA_LIMIT, estimate_layer, function_sizes, too_large

ROOT = Path(__file__).parents[3]


def test_the_estimate_of_a_layer_excludes_libraries_that_its_makefile_removes(tmp_path: Path) -> None:
    """A Makefile that removes a library removes its bytes from the estimate."""
    folder = tmp_path / "readers"
    folder.mkdir()
    (tmp_path / "layer.mk").write_text((ROOT / "layers" / "layer.mk").read_text())
    (folder / "requirements.txt").write_text("chardet==7.7.0\n")
    makefile = (ROOT / "layers" / "readers" / "Makefile").read_text()
    (folder / "Makefile").write_text(makefile)
    whole = estimate_layer(folder)
    (folder / "Makefile").write_text(makefile.replace("$(compile-all)", "$(compile-all)\n\trm -rf '$(SITE)/chardet'"))
    assert estimate_layer(folder) < whole - 3_000_000


def test_the_size_of_a_function_includes_all_its_layers_and_its_folder() -> None:
    layers = {"CommonLayer": 10, "PipelineLayer": 1, "DataLayer": 100, "ArraysLayer": 1_000, "ReadersLayer": 10_000}
    sizes = function_sizes({**layers, "InferenceLayer": 100_000, "TokensLayer": 1_000_000})
    assert set(sizes) == set(read_template(ROOT / "template.yaml").layers)
    assert 101_111 < sizes["EvaluateModelFunction"] < 111_111
    own = (ROOT / "functions" / "select_variant" / "app.py").stat().st_size
    assert sizes["SelectVariantFunction"] >= 11 + own


def test_a_function_without_headroom_below_the_lambda_limit_is_refused() -> None:
    (problem,) = too_large({"Large": LAMBDA_LIMIT - HEADROOM, "Small": 1})
    assert "Large" in problem
    assert f"{LAMBDA_LIMIT - HEADROOM:,}" in problem


def test_the_pipeline_layer_imports_no_package_that_it_leaves_out() -> None:
    """Libraries of jobs are imported inside functions, which no Lambda function calls."""
    (line,) = re.findall(r"^LEFT_OUT := (.*)$", (ROOT / "layers" / "pipeline" / "Makefile").read_text(), re.MULTILINE)
    left_out = {"cli", "conversion", "deployment", "exporting", "load_test", "local", "server"}
    assert left_out <= set(line.split())
    kept = [path for path in (ROOT / "pipeline").rglob("*.py") if path.relative_to(ROOT).parts[1] not in line.split()]
    for path in kept:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[1] for name in names if name.startswith("pipeline.")} & left_out, path
