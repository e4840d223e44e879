"""Models that are refused before they are registered; each message names the node or the tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.brought.description import BroughtTask
from pipeline.brought.process import read_in_subprocess
from pipeline.brought.reading import TASK, read_model
from pipeline.contracts.errors import InvalidModelError
from pipeline.contracts.object_keys import CALIBRATION
from pipeline.contracts.records.outcome import UPLOADED
from pipeline.contracts.spec.job_spec import JobSpec
from tests.fakes.onnx_graphs import constant, graph, layer, matrix, value

WEIGHTS = constant("w", np.ones((4, 3)))
MATRIX = [matrix("x", 4)]


def _place(folder: Path, content: bytes, rows: str | None = None) -> None:
    (folder / UPLOADED).write_bytes(content)
    task = BroughtTask(file="model.onnx", spec=JobSpec(), has_calibration=rows is not None)
    (folder / TASK).write_bytes(task.to_bytes())
    if rows is not None:
        (folder / CALIBRATION).write_text(rows)


def _refusal(folder: Path, model: onnx.ModelProto | bytes, rows: str | None = None) -> str:
    _place(folder, model if isinstance(model, bytes) else model.SerializeToString(), rows)
    with pytest.raises(InvalidModelError) as caught:
        read_model(folder)
    assert not (folder / "out" / "candidate" / "trained.json").exists()
    assert "\n" not in caught.value.message
    return caught.value.message


def _unknown_operator() -> onnx.ModelProto:
    return graph([helper.make_node("Foo", ["x"], ["y"], name="odd")], MATRIX, [matrix("y", 4)])


def _custom_domain() -> onnx.ModelProto:
    node = helper.make_node("Foo", ["x"], ["y"], name="odd", domain="my.ops")
    return graph([node], MATRIX, [matrix("y", 4)], my_ops=1)


def _cycle() -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="one"), helper.make_node("Relu", ["a"], ["b"], name="two")]
    return graph(nodes, MATRIX, [matrix("b", 4)])


def _unmade_tensor() -> onnx.ModelProto:
    return graph([helper.make_node("Add", ["x", "absent"], ["y"], name="one")], MATRIX, [matrix("y", 4)])


def _shape_that_disagrees() -> onnx.ModelProto:
    return graph([layer("x", "y")], [matrix("x", 5)], [matrix("y", 3)], [WEIGHTS])


def _weights_of_another_size() -> onnx.ModelProto:
    model = graph([layer("x", "y")], MATRIX, [matrix("y", 3)], [WEIGHTS])
    model.graph.initializer[0].dims[:] = [4_000_000, 3]
    return model


def _external_weights(location: str = "../../secret") -> onnx.ModelProto:
    model = graph([layer("x", "y")], MATRIX, [matrix("y", 3)], [WEIGHTS])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return model


def _external_constant_in_a_branch() -> onnx.ModelProto:
    """Make an If whose branch has a constant outside the file."""
    inner = _external_weights()
    node = helper.make_node("Constant", [], ["c"], name="hidden", value=inner.graph.initializer[0])
    branch = helper.make_graph([node], "branch", [], [value("c", shape=(4, 3))])
    nodes = [
        helper.make_node("If", ["yes"], ["w2"], name="if", then_branch=branch, else_branch=branch),
        helper.make_node("MatMul", ["x", "w2"], ["y"], name="layer"),
    ]
    return graph(nodes, MATRIX, [matrix("y", 3)], [constant("yes", True, np.bool_)])


def _constant_bomb() -> onnx.ModelProto:
    """Make a small model with a constant tensor of 40 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"], name="bomb"),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    return graph(nodes, MATRIX, [matrix("y", 4)], [constant("shape", [100_000, 100_000], np.int64)])


def _computed_bomb() -> onnx.ModelProto:
    """Make a tensor of 3,000 times the rows and 30,000 times the columns, a size known only at run time."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Mul", ["sizes", "times"], ["shape"]),
        helper.make_node("Expand", ["one", "shape"], ["big"], name="grow"),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    constants = [constant("times", [3_000, 30_000], np.int64), constant("one", [[1.0]])]
    return graph(nodes, MATRIX, [matrix("y", 4)], constants)


def _not_a_number() -> onnx.ModelProto:
    return graph([helper.make_node("Sqrt", ["x"], ["y"], name="root")], MATRIX, [matrix("y", 4)])


def _text_output() -> onnx.ModelProto:
    node = helper.make_node("Cast", ["x"], ["words"], name="cast", to=TensorProto.STRING)
    return graph([node], [matrix("x", 1)], [value("words", TensorProto.STRING, ("batch", 1))])


def _sequence_output() -> onnx.ModelProto:
    node = helper.make_node("SequenceConstruct", ["x"], ["list"], name="pack")
    output = helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None)
    return graph([node], MATRIX, [output])


def _two_heads() -> onnx.ModelProto:
    nodes = [helper.make_node("Relu", ["x"], ["first"]), helper.make_node("Neg", ["x"], ["second"])]
    return graph(nodes, MATRIX, [matrix("first", 4), matrix("second", 4)])


def _sequence_input() -> onnx.ModelProto:
    model = _sequence_output()
    graph_input = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    node = helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)
    del model.graph.node[:], model.graph.input[:], model.graph.output[:]
    model.graph.node.append(node)
    model.graph.input.append(graph_input)
    model.graph.output.append(matrix("y", 4))
    return model


def _any_number_of_steps() -> onnx.ModelProto:
    return graph([helper.make_node("Relu", ["x"], ["y"])], [value("x", shape=("batch", "steps", 5))], [value("y")])


def _rows_that_see_each_other() -> onnx.ModelProto:
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"]), helper.make_node("Sub", ["x", "mean"], ["y"])]
    return graph(nodes, MATRIX, [matrix("y", 4)])


def _eight_rows_at_once() -> onnx.ModelProto:
    return graph([helper.make_node("Relu", ["x"], ["y"])], [matrix("x", 4, rows=8)], [matrix("y", 4, rows=8)])


def _old() -> onnx.ModelProto:
    return graph([layer("x", "y")], MATRIX, [matrix("y", 3)], [WEIGHTS], opset=7)


def _function_that_calls_itself() -> onnx.ModelProto:
    node = helper.make_node("Again", ["x"], ["y"], domain="own")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "Again", ["x"], ["y"], [node], opsets)
    model = graph([node], MATRIX, [matrix("y", 4)], own=1)
    model.functions.append(function)
    return model


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (_unknown_operator, ["node 'odd' (Foo)", "unknown operator"]),
        (_custom_domain, ["node 'odd' (my.ops.Foo)", "'my.ops'"]),
        (_cycle, ["cycle", "node 'one' (Add)", "node 'two' (Relu)"]),
        (_unmade_tensor, ["node 'one' (Add)", "'absent'"]),
        (_shape_that_disagrees, ["node 'layer' (MatMul)", "Incompatible dimensions"]),
        (_weights_of_another_size, ["tensor 'w'", "48,000,000", "[4000000, 3]", "are 48"]),
        (_external_weights, ["tensor 'w'", "outside the file", "../../secret"]),
        (_external_constant_in_a_branch, ["tensor 'w'", "outside the file"]),
        (_constant_bomb, ["node 'bomb' (ConstantOfShape)", "[100000, 100000]", "1,400 MB"]),
        (_not_a_number, ["output 'y'", "NaN", "row 1"]),
        (_text_output, ["output 'words'", "text"]),
        (_sequence_output, ["output 'list'", "node 'pack' (SequenceConstruct)", "sequence"]),
        (_two_heads, ["first, second"]),
        (_sequence_input, ["input 'x'", "sequence"]),
        (_any_number_of_steps, ["input 'x'", "[batch, steps, 5]", "fixed number of steps"]),
        (_rows_that_see_each_other, ["depends on the other rows"]),
        (_eight_rows_at_once, ["input 'x'", "exactly 8 rows"]),
        (_old, ["opset 7", "9 to"]),
        (_function_that_calls_itself, ["'Again'", "calls itself"]),
    ],
)
def test_an_invalid_model_is_refused_with_the_node_or_the_tensor(model, named, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    message = _refusal(tmp_path, model())
    assert message.startswith("model.onnx")
    assert all(part in message for part in named), message


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\x80\x04\x95pickled", "modeldrop convert"),
        (b"PK\x03\x04zipped", "zip archive"),
        (b"\x1f\x8bzipped", "gzip file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<html>not found</html>", "not an ONNX file"),
        (b"", "not an ONNX file"),
    ],
)
def test_a_file_that_is_not_an_onnx_file_is_refused_with_its_format(content: bytes, named: str, tmp_path: Path) -> None:
    assert named in _refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("a,b\n1,2\n", ["2 columns", "'x'", "4"]),
        ("a,b,c,d\n1,2,3\n", ["line 2", "4 cells"]),
        ("a,b,c,d\n1,2,3,cheap\n", ["'d'", "number"]),
        ("\n", ["no header row"]),
    ],
)
def test_calibration_rows_that_do_not_fit_are_refused(rows: str, named: list[str], tmp_path: Path) -> None:
    message = _refusal(tmp_path, graph([layer("x", "y")], MATRIX, [matrix("y", 3)], [WEIGHTS]), rows)
    assert message.startswith(CALIBRATION)
    assert all(part in message for part in named), message


def test_a_model_that_takes_too_much_memory_is_refused_by_its_process(tmp_path: Path) -> None:
    """A run needs 160 GB for 64 rows. The process of the model has a limit; this process is not affected."""
    _place(tmp_path, _computed_bomb().SerializeToString())
    with pytest.raises(InvalidModelError, match=r"more memory than the predict function.*node 'grow' \(Expand\)"):
        read_in_subprocess(tmp_path, "model.onnx")


def test_a_model_that_takes_too_much_time_is_refused(tmp_path: Path) -> None:
    _place(tmp_path, _cycle().SerializeToString())
    with pytest.raises(InvalidModelError, match=r"model\.onnx was not read within 0 s"):
        read_in_subprocess(tmp_path, "model.onnx", seconds=0.01)
