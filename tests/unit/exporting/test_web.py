"""The web page of `--target web`, in Node.js and in a real browser."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.errors import ExportMismatchError, IntegrityError
from pipeline.contracts.signature import Column, Signature
from pipeline.exporting.targets import Export, export_model
from pipeline.exporting.web.run import find_node, run_in_node
from pipeline.exporting.web.runtime import read_runtime
from tests.fakes.onnx_graphs import constant, graph, value
from tests.helpers.browser import find_browser, open_page, runtime_error

NODE, BROWSER = find_node(), find_browser()
COLUMNS = (
    Column(name="size", kind="numeric"),
    Column(name="id", kind="numeric", is_wide=True),
    Column(name="town", kind="categorical"),
    Column(name="new", kind="boolean"),
    Column(name="sold", kind="datetime"),
    Column(name="photo", kind="image", shape=(2, 2, 1)),
)
SIGNATURE = Signature(task="classification", target="<kind>", columns=COLUMNS, classes=("flat", "house"))


needs_runtime = pytest.mark.skipif(bool(runtime_error()), reason=f"needs onnxruntime-web: {runtime_error()}")


def _model() -> onnx.ModelProto:
    """Make a model that predicts house if the sum of all columns is above 10; Bergen counts 5."""
    cast = functools.partial(helper.make_node, "Cast", to=TensorProto.FLOAT)
    nodes = [
        helper.make_node("LabelEncoder", ["town"], ["bergen"], domain="ai.onnx.ml", keys_strings=["Bergen"],
                         values_floats=[5.0], default_float=0.0),
        cast(["id"], ["id32"]), cast(["sold"], ["sold32"]), cast(["photo"], ["photo32"]),
        helper.make_node("ReduceSum", ["photo32", "axes"], ["light"], keepdims=0),
        helper.make_node("Sum", ["size", "id32", "bergen", "new", "sold32", "light"], ["sum"]),
        helper.make_node("Sub", ["sum", "ten"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["house"]),
        helper.make_node("Sub", ["one", "house"], ["flat"]),
        helper.make_node("Concat", ["flat", "house"], ["flipped"], axis=0),
        helper.make_node("Reshape", ["flipped", "two_rows"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["probabilities"], perm=[1, 0]),
        helper.make_node("ArgMax", ["probabilities"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "best"], ["label"]),
    ]  # fmt: skip
    constants = [
        constant("axes", [1, 2, 3], np.int64), constant("ten", np.array(10.0)), constant("one", np.array(1.0)),
        constant("two_rows", [2, -1], np.int64), constant("classes", ["flat", "house"], object),
    ]  # fmt: skip
    kinds = {
        "town": TensorProto.STRING,
        "id": TensorProto.DOUBLE,
        "sold": TensorProto.DOUBLE,
        "photo": TensorProto.UINT8,
    }
    inputs = [value(c.name, kinds.get(c.name, TensorProto.FLOAT), ("batch", *c.shape)) for c in COLUMNS]
    outputs = [value("label", TensorProto.STRING), value("probabilities", shape=("batch", 2))]
    return graph(nodes, inputs, outputs, constants, ai_onnx_ml=3)


FEEDS = {
    "size": np.array([3.0, np.nan, 7.5], np.float32),
    "id": np.array([1.0, 2.0, 0.25]),
    "town": np.array(["Bergen", "", "Ås"], object),
    "new": np.array([1.0, 0.0, 1.0], np.float32),
    "sold": np.array([0.0, 86400.0, 1.5]),
    "photo": np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1),
}


@pytest.fixture(scope="module")
def page() -> Export:
    feeds = {**FEEDS, "size": np.array([3.0, 2.0, 7.5], np.float32)}
    return export_model(_model().SerializeToString(), SIGNATURE, "web", name="houses", rows=(), feeds=feeds)


@needs_runtime
@pytest.mark.skipif(BROWSER is None, reason="needs chromium: apt-get install chromium")
def test_a_browser_predicts_the_golden_rows_like_the_served_model(page: Export, tmp_path: Path) -> None:
    assert BROWSER is not None
    shown = open_page(page.files, BROWSER, tmp_path)
    assert shown["golden"].startswith("3 of 3 golden rows")
    assert shown["state"] == "verified"
    assert shown["prediction"].startswith("house")
    assert shown["fields"] == [column.name for column in COLUMNS]


@needs_runtime
@pytest.mark.skipif(BROWSER is None, reason="needs chromium: apt-get install chromium")
def test_the_page_shows_a_failure_if_a_golden_row_is_predicted_differently(page: Export, tmp_path: Path) -> None:
    assert BROWSER is not None
    golden = json.loads(page.files["golden.json"])
    golden["outputs"][0][1] = "flat"
    shown = open_page({**page.files, "golden.json": json.dumps(golden).encode()}, BROWSER, tmp_path)
    assert (shown["state"], shown["golden"][:6]) == ("failed", "2 of 3")


@needs_runtime
@pytest.mark.skipif(NODE is None, reason="needs Node.js 20 or newer")
def test_the_export_is_verified_in_node(page: Export) -> None:
    assert page.comparison is not None
    assert (page.comparison.rows, page.comparison.equal) == (3, 3)


@needs_runtime
def test_the_export_has_all_files_of_the_page_and_loads_nothing_from_other_hosts(page: Export) -> None:
    assert {"index.html", "page.js", "predict.js", "model.onnx", "schema.json", "golden.json", "README.md"} <= set(
        page.files
    )
    assert b"&lt;kind&gt;" in page.files["index.html"]
    scripts = b"".join(page.files[name] for name in ("index.html", "page.js", "predict.js"))
    assert b"http:" not in scripts
    assert b"https:" not in scripts


@needs_runtime
@pytest.mark.skipif(NODE is None, reason="needs Node.js 20 or newer")
def test_the_page_reads_rows_like_the_api(page: Export, tmp_path: Path) -> None:
    """Run the snippet of the README with the cells of a form, which are texts."""
    row = {
        "size": " 3 ",
        "id": "1",
        "town": " Bergen ",
        "new": "Yes",
        "sold": "1970-01-01",
        "photo": [[[0], [1]], [[2], [3]]],
    }
    bad = {**row, "size": "large"}
    for name, content in page.files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    snippet = page.files["README.md"].decode().split('type="module">')[1].split("</script>")[0]
    loaded = "Model.load(async (name) => (await import('node:fs')).readFileSync(new URL(name, import.meta.url)))"
    code = snippet.replace("Model.load()", loaded)
    code += f"console.log(JSON.stringify(await model.predict([{json.dumps(row)}])));\n"
    code += f"await model.predict([{json.dumps(row)}, {json.dumps(bad)}]).catch((error) => console.log(error.message));"
    (tmp_path / "main.js").write_text(code)
    assert NODE is not None
    result = subprocess.run([NODE, "main.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = result.stdout.strip().splitlines()
    assert "house" in result.stdout
    prediction: dict[str, Any] = json.loads(lines[-2])[0]
    assert prediction["label"] == "house"
    assert prediction["probabilities"]["house"] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)
    assert lines[-1] == "row 2, column 'size': a number is expected"


@needs_runtime
@pytest.mark.skipif(NODE is None, reason="needs Node.js 20 or newer")
def test_a_model_that_the_page_cannot_run_is_refused(page: Export) -> None:
    assert NODE is not None
    with pytest.raises(ExportMismatchError, match="the page cannot run the model"):
        run_in_node({**page.files, "model.onnx": b"damaged"}, NODE)


@needs_runtime
def test_a_runtime_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    for name in read_runtime():
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="not the file of onnxruntime-web"):
        read_runtime(tmp_path)


@needs_runtime
def test_concurrent_fetches_of_the_runtime_get_complete_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, expected = tmp_path / "package.tgz", read_runtime()
    with tarfile.open(package, "w:gz", compresslevel=0) as archive:
        for name, content in expected.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\nfor destination; do :; done\ncp "{package}" "$destination/"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=os.pathsep)
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read_runtime, [cache] * 4)) == [expected] * 4
    assert sorted(file.name for file in cache.iterdir()) == sorted(expected)
