"""tools/sandbox_deploy.sh step by step, with recorded `aws` and `modeldrop` on the PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MACHINES = sorted(path.name for path in (ROOT / "pipeline").glob("*.asl.json"))
ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:Pipeline"
AWS = f"""
case "$*" in
    *get-caller-identity*) echo 123456789012 ;;
    *"--query result"*) if [ -e refused ]; then echo FAIL; else echo OK; fi ;;
    *"--query diagnostics"*) echo SCHEMA_VALIDATION_FAILED ;;
    *describe-stacks*) [ -e deployed ] ;;
    *list-stack-resources*) printf '{ARN}\\n' ;;
    *describe-state-machine*) echo '{{"StartAt": "Validate"}}' ;;
esac
"""
MODELDROP = """
case "$*" in
    *" deploy "*) touch deployed; [ ! -e failing-deploy ] ;;
    *" destroy "*) [ -e stuck ] || rm -f deployed ;;
    *" keys create "*) echo '{"api_key": "md_secret"}' ;;
    *" drop "*) [ ! -e failing-drop ] ;;
    *" predict "*) if [ -e few ]; then echo '{"predictions": []}'; else echo '{"predictions": [1, 2, 3]}'; fi ;;
esac
"""


class Sandbox:
    """A folder whose files control the recorded programs, and their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, body in (("aws", AWS), ("modeldrop", MODELDROP)):
            program = folder / "bin" / name
            program.write_text(f'#!/bin/bash\ncd {folder}\necho "{name} $*" >>calls\n{body}')
            program.chmod(0o755)

    def mark(self, name: str) -> None:
        (self.folder / name).touch()

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"SANDBOX_ACCOUNT": "123456789012", "STACK": "sandbox", **environment}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [str(ROOT / "tools" / "sandbox_deploy.sh"), *arguments],
            env={**os.environ, **variables, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def steps(self) -> list[str]:
        """The steps that change or ask something, in order."""
        words = ("deploy", "drop", "keys", "predict", "destroy", "validate")
        lines = (self.folder / "calls").read_text().splitlines()
        named = [
            next((word for word in words if word in line.split() or f"{word}-state" in line), "") for line in lines
        ]
        return [name for name in named if name]

    def calls(self, word: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if word in line]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_the_script_deploys_trains_predicts_and_destroys(sandbox: Sandbox) -> None:
    done = sandbox.run("eu-west-1")
    assert done.returncode == 0, done.stderr
    before, after = ["validate"] * len(MACHINES), ["validate"]
    assert sandbox.steps() == [*before, "deploy", *after, "drop", "keys", "predict", "destroy"]
    assert not (sandbox.folder / "deployed").exists()
    assert "3 predictions" in done.stdout


def test_every_state_machine_is_validated_as_written_and_as_deployed(sandbox: Sandbox) -> None:
    sandbox.run("eu-west-1")
    validated = "\n".join(sandbox.calls("validate-state-machine-definition"))
    assert all(f"file://pipeline/{name}" in validated for name in MACHINES)
    assert '{"StartAt": "Validate"}' in validated


def test_the_stack_the_region_and_the_parameters_are_passed_on(sandbox: Sandbox) -> None:
    sandbox.run("eu-west-1", "Gpu=spot", "MaxVcpus=8")
    assert sandbox.calls(" deploy ") == [
        "modeldrop --stack sandbox --region eu-west-1 deploy Gpu=spot MaxVcpus=8 --yes"
    ]
    (predict,) = sandbox.calls(" predict ")
    assert "--api-key md_secret" in predict


def test_an_account_other_than_the_sandbox_is_refused_first(sandbox: Sandbox) -> None:
    done = sandbox.run("eu-west-1", SANDBOX_ACCOUNT="999999999999")
    assert done.returncode == 1
    assert "account 123456789012" in done.stderr
    assert sandbox.steps() == []


def test_a_state_machine_that_step_functions_refuses_is_not_deployed(sandbox: Sandbox) -> None:
    sandbox.mark("refused")
    done = sandbox.run("eu-west-1")
    assert done.returncode != 0
    assert "SCHEMA_VALIDATION_FAILED" in done.stdout + done.stderr
    assert "deploy" not in sandbox.steps()


@pytest.mark.parametrize(("mark", "last"), [("failing-deploy", "deploy"), ("failing-drop", "drop"), ("few", "predict")])
def test_the_stack_is_destroyed_and_the_exit_code_is_1_when_a_step_fails(
    sandbox: Sandbox, mark: str, last: str
) -> None:
    sandbox.mark(mark)
    done = sandbox.run("eu-west-1")
    assert done.returncode == 1
    assert sandbox.steps()[-2:] == [last, "destroy"]
    assert not (sandbox.folder / "deployed").exists()


def test_a_stack_that_remains_after_destroy_is_a_failure(sandbox: Sandbox) -> None:
    sandbox.mark("stuck")
    done = sandbox.run("eu-west-1")
    assert done.returncode == 1
    assert "still there" in done.stderr


def test_the_stack_is_kept_when_keep_is_set(sandbox: Sandbox) -> None:
    done = sandbox.run("eu-west-1", KEEP="1")
    assert done.returncode == 0
    assert "destroy" not in sandbox.steps()
    assert (sandbox.folder / "deployed").exists()
