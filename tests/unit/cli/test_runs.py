"""drop, runs, watch, logs."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.upload.upload import model_of
from pipeline.contracts.object_keys import RunKeys, run_name
from pipeline.contracts.records.run import STAGES, RunError
from pipeline.contracts.upload_metadata import read_target
from tests.fakes.records import card
from tests.unit.cli.conftest import FakeLine, Stage


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    file = tmp_path / "houses.csv"
    file.write_text("rooms,price\n" + "".join(f"{n % 7},{n % 7 * 100 + n}\n" for n in range(60)))
    return file


def test_drop_uploads_the_file_with_its_target_and_prints_the_run(stage: Stage, houses: Path) -> None:
    result = stage.run("drop", str(houses), "--target", "price", "--no-watch")
    stored = stage.uploads.head("demo/houses/houses.csv")
    assert result.exit_code == 0
    assert stored.metadata == {"target": "price"}
    assert result.stdout.strip() == run_name("demo", "houses", "uploads", "demo/houses/houses.csv", stored.version_id)


def test_drop_uploads_the_settings_before_the_file(stage: Stage, houses: Path, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("algorithms: [mlp]\n")
    stage.run("drop", str(houses), "--spec", str(spec), "--tenant", "acme", "--model", "h2", "--no-watch")
    settings, data = stage.uploads.head("acme/h2/train.yaml"), stage.uploads.head("acme/h2/houses.csv")
    assert settings.version_id < data.version_id


def test_drop_reports_that_it_uses_the_settings_of_an_earlier_drop(stage: Stage, houses: Path) -> None:
    assert "train.yaml" not in stage.run("drop", str(houses), "--no-watch").stderr
    stage.uploads.put("demo/houses/train.yaml", b"seed: 1\n")
    assert "using train.yaml from your earlier drop\n" in stage.run("drop", str(houses), "--no-watch").stderr


def test_drop_of_a_companion_starts_no_run(stage: Stage, houses: Path) -> None:
    companion = houses.rename(houses.with_name("test.csv"))
    result = stage.run("drop", str(companion), "--model", "houses")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "does not start a run" in result.stderr


@pytest.mark.parametrize("option", [["--tenant", "A_b"], ["--model", "a b"], ["--model", "runs"]])
def test_drop_refuses_an_invalid_name_before_the_upload(stage: Stage, houses: Path, option: list[str]) -> None:
    assert stage.run("drop", str(houses), *option).exit_code == 2
    assert list(stage.uploads.keys("")) == []


def test_drop_accepts_a_target_name_in_any_script(stage: Stage, houses: Path) -> None:
    assert stage.run("drop", str(houses), "--target", "Größe (m²)", "--no-watch", "--no-check").exit_code == 0
    assert read_target(stage.uploads.head("demo/houses/houses.csv").metadata) == "Größe (m²)"


def test_drop_of_a_folder_of_part_files_uploads_one_data_set(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "clicks"
    folder.mkdir()
    for name in ("part-0.csv", "part-1.csv", "test.csv", "train.yaml", "_SUCCESS", ".part-0.csv.crc"):
        (folder / name).write_text("a,b\n1,2\n")
    result = stage.run("drop", "--no-check", str(folder), "--target", "b", "--no-watch")
    assert result.exit_code == 0
    keys = list(stage.uploads.keys("demo/clicks/"))
    (end,) = (key for key in keys if key.endswith("/_SUCCESS"))
    dataset = end.removesuffix("_SUCCESS")
    assert {key.removeprefix(dataset) for key in keys} == {
        "part-0.csv", "part-1.csv", "test.csv", "train.yaml", "_SUCCESS"
    }  # fmt: skip
    stored = stage.uploads.head(end)
    assert stored.metadata == {"target": "b"}
    assert all(stage.uploads.head(key).version_id <= stored.version_id for key in keys)
    assert result.stdout.strip() == run_name("demo", "clicks", "uploads", end, stored.version_id)
    assert "part-1.csv, 8 B, 4 of 4" in result.stderr


def test_drop_of_a_folder_of_images_uploads_a_zip(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        (folder / label / "1.png").write_bytes(b"png")
    (folder / "train.yaml").write_text("seed: 1\n")
    result = stage.run("drop", "--no-check", str(folder), "--no-watch")
    assert result.exit_code == 0
    archive = zipfile.ZipFile(io.BytesIO(stage.uploads.get("demo/pets/pets.zip")))
    assert archive.namelist() == ["cat/1.png", "dog/1.png"]
    assert stage.uploads.get("demo/pets/train.yaml") == b"seed: 1\n"


def _folder(where: Path, *files: str) -> Path:
    for name in files:
        file = where / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a,b\n1,2\n")
    return where


def test_other_files_in_a_folder_of_images_are_skipped_and_named(stage: Stage, tmp_path: Path) -> None:
    others = ("README.md", "Thumbs.db", "logo.png", "test.md", "cat/notes.doc")
    folder = _folder(tmp_path / "pets", "cat/1.png", "dog/1.jpg", ".git/x/1.png", "cat/.2.png", *others)
    (folder / "dog" / "odd.png").mkdir()
    result = stage.run("drop", "--no-check", str(folder), "--no-watch")
    assert result.exit_code == 0
    assert list(stage.uploads.keys("")) == ["demo/pets/pets.zip"]
    archive = zipfile.ZipFile(io.BytesIO(stage.uploads.get("demo/pets/pets.zip")))
    assert archive.namelist() == ["cat/1.png", "dog/1.jpg"]
    assert "ignored: README.md, Thumbs.db, logo.png, test.md, cat/notes.doc\n" in result.stderr


def test_other_files_in_a_folder_of_parts_are_skipped_and_named(stage: Stage, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "clicks", "0.csv", "1.csv", "README.md", "old/2.csv", "model.py")
    result = stage.run("drop", "--no-check", str(folder), "--no-watch")
    names = {key.rsplit("/", 1)[1] for key in stage.uploads.keys("")}
    assert names == {"0.csv", "1.csv", "model.py", "_SUCCESS"}
    assert "ignored: README.md, old/2.csv\n" in result.stderr


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("0.csv", "cat/1.png"), "holds data files (0.csv) and images in folders (cat/1.png)"),
        (
            tuple(f"year=202{year}/0.parquet" for year in range(7)),
            "(year=2020/0.parquet, year=2021/0.parquet, year=2022/0.parquet, year=2023/0.parquet, year=2024/0.parquet "
            "and 2 more): the parts of a data set must lie directly in the folder",
        ),
        (("README.md", "1.png"), "holds neither data files"),
    ],
)
def test_an_ambiguous_folder_is_refused(stage: Stage, tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    result = stage.run("drop", str(_folder(tmp_path / "d", *files)), "--no-watch")
    assert result.exit_code == 2
    output = " ".join(result.stderr.replace("\u2502", " ").split())
    assert "".join(words.split()) in "".join(output.split())
    assert list(stage.uploads.keys("")) == []


@pytest.mark.parametrize("files", [("0.csv", "1.csv"), ("cat/1.png", "dog/1.png")])
def test_the_spec_option_replaces_the_train_yaml_of_the_folder(
    stage: Stage, tmp_path: Path, files: tuple[str, ...]
) -> None:
    folder, spec = _folder(tmp_path / "d", "train.yaml", "model.py", *files), tmp_path / "mine.yaml"
    spec.write_text("seed: 2\n")
    result = stage.run("drop", "--no-check", str(folder), "--spec", str(spec), "--no-watch")
    (settings,) = (key for key in stage.uploads.keys("") if key.endswith("train.yaml"))
    assert stage.uploads.get(settings) == b"seed: 2\n"
    assert stage.uploads.head(settings).version_id in ("v1", "v2"), "the folder's own was not put there"
    assert "ignored: train.yaml\n" in result.stderr
    assert ("3 of 3" in result.stderr) is (files[0] == "0.csv"), "a folder of images is one zip"


def test_images_from_before_1980_are_zipped(stage: Stage, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "pets", "cat/1.png", "dog/1.png")
    os.utime(folder / "cat" / "1.png", (0, 0))
    assert stage.run("drop", "--no-check", str(folder), "--no-watch").exit_code == 0


def test_the_current_and_the_parent_folder_name_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "pets")
    assert model_of(Path()) == "pets"
    monkeypatch.chdir("cat")
    assert model_of(Path("..")) == "pets"


def test_drop_of_an_empty_folder_is_a_usage_error(stage: Stage, tmp_path: Path) -> None:
    result = stage.run("drop", str(tmp_path), "--model", "pets")
    assert result.exit_code == 2
    assert "neither data files" in " ".join(result.stderr.replace("│", " ").split())
    assert list(stage.uploads.keys("")) == []


def test_drop_of_a_missing_file_is_a_usage_error(stage: Stage, tmp_path: Path) -> None:
    assert stage.run("drop", str(tmp_path / "none.csv")).exit_code == 2


def test_drop_watches_until_the_model_is_live(stage: Stage, houses: Path) -> None:
    def work() -> None:
        version_id = stage.uploads.head("demo/houses/houses.csv").version_id
        run = run_name("demo", "houses", "uploads", "demo/houses/houses.csv", version_id)
        if not stage.runs.list():
            stage.begin(run, model="houses")
            return
        stage.select(run)
        for name in STAGES:
            stage.runs.finish_stage(run, name)
        stage.serve("houses")
        stage.runs.succeed(run, 1)

    stage.on_sleep = work
    result = stage.run("drop", str(houses))
    assert result.exit_code == 0
    assert "validate: running" in result.stderr
    assert "promote: succeeded" in result.stderr
    assert "houses version 1 is live" in result.stderr
    assert "not applicable" not in result.stdout
    assert "random_forest int8: not applicable: trees have no matrices" in stage.run("runs", "houses").stdout


def test_drop_gives_up_with_a_hint_when_no_run_begins(stage: Stage, houses: Path) -> None:
    result = stage.run("drop", str(houses))
    assert result.exit_code == 1
    assert "modeldrop dead-letters" in result.stderr


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("houses.csv.gz", "houses"),
        ("adult/train.csv", "adult"),
        ("my data (1).csv", "my-data-1"),
        ("a" * 40 + ".csv", "a" * 32),
    ],
)
def test_a_model_is_named_after_its_file_or_the_folder_of_a_generically_named_file(file: str, model: str) -> None:
    assert model_of(Path(file)) == model


def test_runs_as_json_has_the_documented_fields(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.finish_stage(run, "validate")
    stage.runs.fail(run, RunError(type="InvalidTargetError", message="the target is constant"))
    (document,) = stage.json("runs", "--json")
    assert document["run"] == run
    assert (document["tenant"], document["model"], document["status"], document["version"]) == (
        "demo",
        "m",
        "FAILED",
        None,
    )
    assert document["error"] == {"type": "InvalidTargetError", "message": "the target is constant"}
    assert datetime.fromisoformat(document["started_at"]).tzinfo is not None
    assert [stage["name"] for stage in document["stages"]] == list(STAGES)
    assert set(document["stages"][0]) == {"name", "status", "seconds"}
    assert [stage["status"] for stage in document["stages"][:3]] == ["SUCCEEDED", "FAILED", "PENDING"]


def test_runs_lists_the_newest_runs_of_a_tenant_up_to_the_limit(stage: Stage) -> None:
    for run in ("demo_m_1", "acme_m_2", "demo_m_3", "demo_m_4"):
        stage.begin(run, tenant=run.split("_")[0])
    assert [r["run"] for r in stage.json("runs", "--tenant", "demo", "--limit", "2", "--json")] == [
        "demo_m_4",
        "demo_m_3",
    ]


def test_runs_lists_the_error_type_and_shows_the_message_of_a_single_run(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.fail(run, RunError(type="TooFewRowsError", message="one row [bold]is[/] there"))
    listed = stage.run("runs").stdout
    assert "TooFewRowsError" in listed
    assert "one row" not in listed
    assert "one row [bold]is[/] there (TooFewRowsError)" in stage.run("runs", run).stdout


def test_watch_of_a_failed_run_exits_1_and_says_where_the_file_and_the_report_are(stage: Stage) -> None:
    run = stage.begin()
    keys = RunKeys(run)
    stage.artifacts.put(keys.quarantine("report.json"), b"{}")
    stage.artifacts.put(keys.quarantine("titanic.csv"), b"")
    stage.runs.fail(run, RunError(type="UnreadableDatasetError", message="line 3, column 2 is not text"))
    result = stage.run("watch", run)
    assert result.exit_code == 1
    assert "line 3, column 2 is not text (UnreadableDatasetError)" in result.stderr
    assert (
        f"  file (in quarantine): s3://artifacts/{keys.quarantine('titanic.csv')}\n"
        f"  report: s3://artifacts/{keys.quarantine('report.json')}\n"
    ) in result.stderr


def test_watch_of_a_run_that_needs_a_decision_exits_4_and_says_how_to_decide(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.await_promotion(run, 3, "promote is manual")
    result = stage.run("watch", run)
    assert result.exit_code == 4
    assert "promote is manual" in result.stderr
    assert "modeldrop promote m 3 --tenant demo" in result.stderr


def test_watch_of_a_run_that_was_not_promoted_says_why_and_how_to_promote_it(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.succeed(run, 3, not_promoted="version 3 was not promoted: it is of an older upload than version 4")
    result = stage.run("watch", run)
    assert result.exit_code == 0
    assert "older upload than version 4" in result.stderr
    assert "modeldrop promote m 3 --tenant demo" in result.stderr


@pytest.mark.parametrize("command", ["watch", "runs"])
def test_watch_and_runs_print_the_warnings_of_the_model_card(stage: Stage, command: str) -> None:
    run = stage.begin()
    leakage = "leakage: column 'alive' alone predicts the target 'survived'"
    stage.artifacts.put(RunKeys(run).card, card(run).model_copy(update={"warnings": (leakage,)}).to_bytes())
    stage.runs.succeed(run, 1)
    assert f"! {leakage}" in stage.run(command, run).stderr


def test_watch_as_json_prints_only_the_ended_run_on_stdout(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.succeed(run, 1)
    assert stage.json("watch", run, "--json")["status"] == "SUCCEEDED"


def test_watch_of_an_unknown_run_fails_with_one_sentence(stage: Stage) -> None:
    result = stage.run("watch", "demo_m_none")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no run or model 'demo_m_none'")
    assert "Traceback" not in result.stderr


def test_logs_show_each_line_with_its_extra_fields(stage: Stage) -> None:
    run = stage.begin()
    line = {"level": "INFO", "message": "trained", "run": run, "seconds": 1.5, "function_arn": "arn:x"}
    stage.logs.written += [
        FakeLine(datetime.now(UTC), "/aws/batch/job", json.dumps(line)),
        FakeLine(datetime.now(UTC), "/aws/lambda/plan", f"plain text of {run}"),
        FakeLine(datetime.now(UTC), "/aws/lambda/plan", "another run's"),
    ]
    stage.runs.succeed(run, 1)
    result = stage.run("logs", run)
    assert "trained  seconds=1.5" in result.stdout
    assert "arn:x" not in result.stdout
    assert f"plain text of {run}" in result.stdout
    assert "another" not in result.stdout


def test_logs_follow_a_run_to_its_end_and_print_each_line_once(stage: Stage) -> None:
    run = stage.begin()
    stage.logs.written.append(FakeLine(datetime.now(UTC), "g", f"first {run}"))

    def work() -> None:
        stage.logs.written.append(FakeLine(datetime.now(UTC), "g", f"second {run}"))
        stage.runs.succeed(run, 1)

    stage.on_sleep = work
    output = stage.run("logs", run, "--follow").stdout
    assert output.count("first") == 1
    assert output.count("second") == 1
