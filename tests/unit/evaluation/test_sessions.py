"""A session of a wide table."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from pipeline.evaluation.sessions import WideSession

COLUMNS = 500


class CountedName(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.fixture
def session() -> WideSession:
    names = [f"column {number}" for number in range(COLUMNS)]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in names]
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Sum", names, ["total"])], "sum", inputs, [total])
    model: onnx.ModelProto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    return WideSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_run_compares_each_columns_name_a_few_times_however_many_there_are(session: WideSession) -> None:
    row = {CountedName(f"column {number}"): np.ones(1, np.float32) for number in range(COLUMNS)}
    CountedName.compared = 0
    assert session.run(None, row)[0].tolist() == [COLUMNS]
    assert CountedName.compared < 10 * COLUMNS


def test_a_missing_column_is_still_named(session: WideSession) -> None:
    row = {f"column {number}": np.ones(1, np.float32) for number in range(COLUMNS - 1)}
    with pytest.raises(Fail, match=f"column {COLUMNS - 1}"):
        session.run(None, row)
