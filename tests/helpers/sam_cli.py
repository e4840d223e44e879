"""Run `sam local` against the embedded cloud."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.helpers.cloud_driver import STACK, Cloud

ROOT = Path(__file__).parents[2]


class Sam:
    """`sam local` with the environment variables of the deployed functions; `--env-vars` adds the endpoint."""

    def __init__(self, cloud: Cloud, endpoint_url: str, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        self._environment = folder / "environment.json"
        self._environment.write_text(json.dumps(self._environments(endpoint_url)))

    def _environments(self, endpoint_url: str) -> dict[str, dict[str, str]]:
        stack = self.cloud.session.client("cloudformation")
        functions = self.cloud.session.client("lambda")
        found = {}
        for resource in stack.describe_stack_resources(StackName=STACK)["StackResources"]:
            if resource["ResourceType"] == "AWS::Lambda::Function":
                deployed = functions.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
                variables = deployed["Environment"]["Variables"]
                found[resource["LogicalResourceId"]] = {**variables, "AWS_ENDPOINT_URL": endpoint_url}
        return found

    def invoke(self, function: str, event: Any) -> Any:
        """Return the function's result, or its error as ``{"errorType", "errorMessage"}``."""
        file = self._folder / f"{function}.json"
        file.write_text(json.dumps(event))
        command = ["sam", "local", "invoke", function, "--event", str(file), *self._options()]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        lines = done.stdout.strip().splitlines()
        assert lines, done.stderr[-4000:]
        return json.loads(lines[-1])

    @contextmanager
    def api(self, port: int) -> Iterator[str]:
        """Run `sam local start-api` until the block ends, and yield its URL."""
        command = ["sam", "local", "start-api", "--host", "127.0.0.1", "--port", str(port), *self._options()]
        with (
            (self._folder / "start-api.log").open("wb") as log,
            subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT) as process,
        ):
            try:
                self._wait(f"http://127.0.0.1:{port}", process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()

    def _wait(self, url: str, process: subprocess.Popen[bytes]) -> None:
        for _ in range(300):
            assert process.poll() is None, (self._folder / "start-api.log").read_text()
            try:
                httpx.get(url, timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError((self._folder / "start-api.log").read_text())

    def _options(self) -> list[str]:
        return ["--skip-pull-image", "--env-vars", str(self._environment)]
