"""Read ``train.yaml`` so that names of columns and markers of missing values keep their original text.

YAML 1.1 converts unquoted words such as 2019, 007, no and NULL to numbers, dates, truth values and null. A user who
writes them as the name of a column or as a marker means the text.
"""

from __future__ import annotations

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["load_train_yaml"]

_TEXT = "tag:yaml.org,2002:str"
_PLAIN = ("bool", "int", "float", "timestamp")
_TEXTS = frozenset({("target",), ("weight",), ("sheet",), ("encoding",), ("split", "column")})
_LISTS = frozenset({("missing",), ("drop",), ("segments",), ("target",), ("targets",)})  # null is a text in these lists


def load_train_yaml(text: str) -> object:
    """Load a YAML document; None if it is empty.

    Raises:
        yaml.YAMLError: The text is not YAML, or has tags that are not allowed.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _tag_texts(root, ())
        content: object = loader.construct_document(root)
        return content
    finally:
        loader.dispose()


def _tag_texts(node: Node, path: tuple[str, ...]) -> None:
    if isinstance(node, MappingNode) and len(path) < 2:
        for key, value in node.value:
            _tag_texts(value, (*path, str(key.value)))
    elif isinstance(node, SequenceNode) and path in _LISTS:
        for item in node.value:
            _tag_as_text(item, (*_PLAIN, "null"))
    elif path in _TEXTS:
        _tag_as_text(node, _PLAIN)


def _tag_as_text(node: Node, kinds: tuple[str, ...]) -> None:
    if isinstance(node, ScalarNode) and node.tag.removeprefix("tag:yaml.org,2002:") in kinds:
        node.tag = _TEXT
