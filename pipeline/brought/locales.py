"""The locale of StringNormalizer: machines that serve have C.UTF-8 alone."""

from __future__ import annotations

import onnx
from onnx import helper

from pipeline.brought.graph import all_nodes, node_name
from pipeline.contracts.errors import InvalidModelError

__all__ = ["use_served_locale"]

_SERVED = "C.UTF-8"
_ALIKE = ("", "C.UTF-8", "C.utf8", "en_US", "en_US.UTF-8", "en_US.utf8")  # the same letters; "" is the machine's own
_ASCII = ("C", "POSIX")  # every machine has it
_DEFAULT = "en_US"  # of the operator


def use_served_locale(model: onnx.ModelProto, file: str) -> None:
    """Change the locale of each StringNormalizer to C.UTF-8, where that has the same letters.

    Without the locale onnxruntime does not load a graph that changes the case of letters, or ignores it.

    Args:
        model: Is changed.
        file: Name of the file, for messages.

    Raises:
        InvalidModelError: A node needs a locale whose letters differ; the message names it.
    """
    for node in all_nodes(model.graph):
        if node.op_type != "StringNormalizer":
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        locale = attributes["locale"].s.decode() if "locale" in attributes else _DEFAULT
        if locale in _ASCII:
            continue
        if locale not in _ALIKE:
            raise InvalidModelError(
                f"{file}: {node_name(node)} needs the locale '{locale[:40]}', which no machine that serves has: "
                f"{_SERVED} or en_US.UTF-8 is expected"
            )
        if "locale" in attributes:
            node.attribute.remove(attributes["locale"])
        node.attribute.append(helper.make_attribute("locale", _SERVED))
