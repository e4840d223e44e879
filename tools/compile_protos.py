"""Compile the server's protos into one descriptor set: ``python -m tools.compile_protos``. It needs grpcio-tools."""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

__all__ = ["compile_protos"]

PROTOS = Path(__file__).parents[1] / "pipeline" / "server" / "grpc" / "protos"


def compile_protos(output: Path) -> None:
    """Write the descriptor set of all protos, imported protos included.

    Raises:
        SystemExit: A proto is invalid; the compiler has printed the location.
    """
    includes = [f"-I{PROTOS}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    files = [path.name for path in sorted(PROTOS.glob("*.proto"))]
    if protoc.main(["protoc", *includes, "--include_imports", f"--descriptor_set_out={output}", *files]) != 0:
        raise SystemExit(1)


if __name__ == "__main__":
    compile_protos(Path(sys.argv[1]) if sys.argv[1:] else PROTOS / "descriptors.binpb")
