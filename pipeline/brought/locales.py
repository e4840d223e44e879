"""The locale of StringNormalizer: serving machines only have C.UTF-8."""

from __future__ import annotations

import onnx
from onnx import helper

from pipeline.brought.graph import all_nodes, node_name
from pipeline.contracts.errors import InvalidModelError

__all__ = ["use_served_locale"]

_SERVED = "C.UTF-8"
_EQUIVALENT_LOCALES = ("", "C.UTF-8", "C.utf8", "en_US", "en_US.UTF-8", "en_US.utf8")  # "" is the machine's locale
_ASCII = ("C", "POSIX")  # available on every machine
_DEFAULT = "en_US"  # default of the operator's attribute ``locale``


def use_served_locale(model: onnx.ModelProto, file: str) -> None:
    """Change the locale of each StringNormalizer to C.UTF-8, if it has the same letters.

    If a machine lacks the locale, onnxruntime fails to load a graph that changes the case of letters, or ignores it.

    Args:
        model: The graph, which is changed in place.
        file: Name of the file, for messages.

    Raises:
        InvalidModelError: A node needs a locale with other letters; the message names the node.
    """
    for node in all_nodes(model.graph):
        if node.op_type != "StringNormalizer":
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        locale = attributes["locale"].s.decode() if "locale" in attributes else _DEFAULT
        if locale in _ASCII:
            continue
        if locale not in _EQUIVALENT_LOCALES:
            raise InvalidModelError(
                f"{file}: {node_name(node)} needs the locale '{locale[:40]}', which no machine that serves has: "
                f"{_SERVED} or en_US.UTF-8 is expected"
            )
        if "locale" in attributes:
            node.attribute.remove(attributes["locale"])
        node.attribute.append(helper.make_attribute("locale", _SERVED))
