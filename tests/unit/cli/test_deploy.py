"""The output and the confirmation of deploy and destroy."""

from __future__ import annotations

import pytest

from pipeline.contracts.account import StackState
from tests.fakes.account import OUTPUTS, STACK_ID, resource
from tests.unit.cli.conftest import Stage

COMPLETE = StackState(id=STACK_ID, status="CREATE_COMPLETE", outputs=OUTPUTS)


@pytest.fixture
def site(stage: Stage) -> Stage:
    """A stage whose stack is there once `sam deploy` ran."""

    def run(line: str) -> None:
        if line.startswith("sam deploy"):
            stage.stack.current = COMPLETE

    stage.commands.on_run = run
    return stage


def _ran(stage: Stage) -> list[str]:
    return [line for line in stage.commands.lines if line.startswith(("sam deploy", "docker push", "tools/make"))]


def test_check_only_prints_each_check_with_its_fix_and_builds_nothing(site: Stage) -> None:
    site.account.quotas["L-3819A6DF"] = 0
    result = site.run("--region", "eu-west-1", "deploy", "--check-only")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "ok      docker: engine docker is done"
    (warned,) = [line for line in lines if line.startswith("warning")]
    assert "All G and VT Spot Instance Requests: 0 vCPUs" in warned
    assert "fix: deploy with Gpu=none" in lines[lines.index(warned) + 1]
    assert _ran(site) == []


def test_a_failed_check_stops_the_deploy_before_the_build(site: Stage) -> None:
    site.commands.missing = frozenset({"docker"})
    result = site.run("deploy", "--yes")
    assert result.exit_code == 1
    assert "failed  docker: there is no 'docker' command" in result.stdout
    assert "nothing was deployed" in result.stderr
    assert _ran(site) == []


def test_a_deploy_prints_the_remaining_steps(site: Stage) -> None:
    result = site.run("--stack", "test", "--region", "eu-west-1", "deploy", "Gpu=none", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "modeldrop --stack test --region eu-west-1 keys create demo" in result.stderr
    assert [line.split()[0] for line in _ran(site)] == ["tools/make_image.sh", "sam", "docker"]
    assert '--parameter-overrides Gpu="none"' in " ".join(_ran(site))


def test_a_deploy_without_images_names_the_empty_repository(site: Stage) -> None:
    document = site.json("deploy", "--yes", "--no-images", "--json")
    assert (document["deployed"], document["images"]) == (True, [])
    assert OUTPUTS["ImageRepository"] in document["remaining"][0]


def test_an_update_keeps_the_parameters_of_the_stack(site: Stage) -> None:
    site.stack.current = StackState(id=STACK_ID, status="CREATE_COMPLETE", parameters={"Gpu": "none"})
    checks = site.json("deploy", "--check-only", "--json")["checks"]
    assert not any("G and VT" in check["text"] for check in checks)


@pytest.mark.parametrize("arguments", [("deploy",), ("destroy",)])
def test_deploy_and_destroy_require_yes_without_a_terminal(site: Stage, arguments: tuple[str, ...]) -> None:
    site.stack.current = COMPLETE
    result = site.run(*arguments)
    assert result.exit_code == 2
    assert "--yes is expected" in " ".join(result.stderr.replace("│", " ").split())
    assert _ran(site) == []
    assert site.stack.current == COMPLETE


def test_deploy_with_an_unknown_word_suggests_other_commands(site: Stage) -> None:
    result = site.run("deploy", "houses")
    assert result.exit_code == 1
    assert "modeldrop promote" in result.stderr
    assert "modeldrop up" in result.stderr


def test_destroy_lists_the_resources_and_deletes_them(site: Stage) -> None:
    site.stack.current = COMPLETE
    site.stack.resources = [resource("AWS::S3::Bucket", "uploads"), resource("AWS::DynamoDB::Table", "records")]
    result = site.run("destroy", "--yes")
    assert result.exit_code == 0
    assert "the bucket uploads with every version" in result.stderr
    assert site.data.calls[-2:] == ["delete uploads", "delete records"]


def test_destroy_with_keep_data_lists_and_keeps_the_bucket(site: Stage) -> None:
    site.stack.current = COMPLETE
    site.stack.resources = [resource("AWS::S3::Bucket", "uploads")]
    assert site.json("destroy", "--yes", "--keep-data", "--json")["kept"] == ["uploads"]
    assert site.data.calls == []
    assert site.stack.current is None


def test_destroy_of_a_missing_stack_is_an_error(site: Stage) -> None:
    result = site.run("--stack", "none", "destroy", "--yes")
    assert result.exit_code == 1
    assert "there is no stack 'none'" in result.stderr


def test_destroy_without_a_region_names_the_region_option(site: Stage) -> None:
    site.account.region = ""
    result = site.run("destroy", "--yes")
    assert result.exit_code == 1
    assert "--region" in result.stderr


def test_deploy_accepts_profile_and_region_without_a_stack_name(site: Stage) -> None:
    assert site.run("--profile", "work", "--region", "eu-west-1", "deploy", "--check-only").exit_code == 0
    assert site.choices[-1].profile == "work"
