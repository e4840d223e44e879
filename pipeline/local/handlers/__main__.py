"""The process of one function's instance: ``python -m pipeline.local.handlers HANDLER SERVER``.

On Linux the handler runs under AWS's runtime client (awslambdaric). It has wheels only for Linux, so other systems use
the loop of ``plain_runtime``.
"""

from __future__ import annotations

import os
import sys

from pipeline.local.processes import exit_with_parent


def main() -> None:
    """Run a handler until its server ends."""
    handler, server, address = sys.argv[1], int(sys.argv[2]), os.environ["AWS_LAMBDA_RUNTIME_API"]
    exit_with_parent(server)
    if sys.platform == "linux":
        from awslambdaric import bootstrap
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

        bootstrap.run(handler, LambdaRuntimeClient(address))
    else:
        from pipeline.local.handlers import plain_runtime

        plain_runtime.run(handler, address)


if __name__ == "__main__":
    main()
