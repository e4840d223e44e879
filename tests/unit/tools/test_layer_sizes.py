"""The layers' sizes, estimated from the installed libraries: what is counted, and what is refused."""

from __future__ import annotations

from pathlib import Path

from pipeline.deployment.template import read_template
from tools.layer_sizes import HEADROOM, LAMBDA_LIMIT, estimate_layer, function_sizes, too_large

ROOT = Path(__file__).parents[3]


def test_a_layer_is_counted_as_its_makefile_leaves_it(tmp_path: Path) -> None:
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


def test_a_function_has_all_its_layers_and_its_own_folder() -> None:
    layers = {"CommonLayer": 10, "PipelineLayer": 1, "DataLayer": 100, "ArraysLayer": 1_000, "ReadersLayer": 10_000}
    sizes = function_sizes({**layers, "InferenceLayer": 100_000, "TokensLayer": 1_000_000})
    assert set(sizes) == set(read_template(ROOT / "template.yaml").layers)
    assert 101_111 < sizes["EvaluateModelFunction"] < 111_111
    own = (ROOT / "functions" / "select_variant" / "app.py").stat().st_size
    assert sizes["SelectVariantFunction"] >= 11 + own


def test_a_function_without_headroom_below_lambdas_limit_is_refused() -> None:
    (problem,) = too_large({"Large": LAMBDA_LIMIT - HEADROOM, "Small": 1})
    assert "Large" in problem
    assert f"{LAMBDA_LIMIT - HEADROOM:,}" in problem
