"""drop before the upload: stored settings, refusals and confirmations."""

from __future__ import annotations

import gzip
import io
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from pipeline.cli.input import folders
from pipeline.cli.upload import precheck
from pipeline.contracts.records.model_version import ModelVersion
from pipeline.validation.readers.source import hash_files
from tests.unit.cli.conftest import Stage


def _table(rows: int = 60, seed: int = 0) -> str:
    chance = random.Random(seed)
    lines = [
        f"{chance.randint(18, 80)},{chance.choice(['basic', 'plus'])},{chance.choice(['no', 'yes'])},"
        f"{chance.random() * 100:.2f}"
        for _ in range(rows)
    ]
    return "\n".join(["age,plan,churned,visits", *lines]) + "\n"


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    file = tmp_path / "churn.csv"
    file.write_text(_table())
    return file


def _store(stage: Stage, text: str) -> None:
    stage.uploads.put("demo/churn/train.yaml", text.encode())


def _drop(stage: Stage, *arguments: object) -> tuple[int, str]:
    """Return the exit code, and stderr on one line."""
    result = stage.run("drop", "--no-watch", *map(str, arguments))
    return result.exit_code, " ".join(result.stderr.replace("│", " ").split())


def _data_keys(stage: Stage) -> list[str]:
    return [key for key in stage.uploads.keys("") if not key.endswith("train.yaml")]


# ---------------------------------------------------------------- settings of an earlier drop


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("target: churned\n", "using train.yaml from your earlier drop (target: churned)"),
        ("seed: 3\n", "using train.yaml from your earlier drop"),
    ],
)
def test_a_train_yaml_of_an_earlier_drop_is_used_and_reported(
    stage: Stage, churn: Path, settings: str, line: str
) -> None:
    _store(stage, settings)
    result = stage.run("drop", "--no-watch", str(churn))
    assert result.exit_code == 0
    assert line in result.stderr.splitlines()


def test_the_target_option_overrides_the_train_yaml_of_an_earlier_drop(stage: Stage, churn: Path) -> None:
    _store(stage, "target: churned\n")
    code, output = _drop(stage, churn, "--target", "visits")
    assert code == 0
    assert "earlier drop; --target visits overrides its target, churned" in output
    assert "learning 'visits' (regression)" in output


@pytest.mark.parametrize("how", ["stored", "--spec"])
def test_settings_for_another_target_stop_the_drop_and_both_targets_are_shown(
    stage: Stage, churn: Path, tmp_path: Path, how: str
) -> None:
    settings = "target: churned\nmetric: auc\n"
    (tmp_path / "mine.yaml").write_text(settings)
    if how == "stored":
        _store(stage, settings)
    code, output = _drop(
        stage, churn, "--target", "visits", *(["--spec", tmp_path / "mine.yaml"] if how == "--spec" else [])
    )
    assert code == 1
    assert "'visits'" in output
    assert "'churned' (metric: auc)" in output
    assert _data_keys(stage) == []


def test_a_new_train_yaml_replaces_the_earlier_one(stage: Stage, churn: Path, tmp_path: Path) -> None:
    _store(stage, "target: nothing\nmetric: auc\n")
    (tmp_path / "mine.yaml").write_text("target: plan\n")
    code, output = _drop(stage, churn, "--spec", tmp_path / "mine.yaml")
    assert code == 0
    assert "earlier drop" not in output
    assert "learning 'plan' (classification)" in output


def test_settings_of_another_model_are_not_used(stage: Stage, churn: Path) -> None:
    _store(stage, "target: nothing\n")
    assert _drop(stage, churn, "--model", "other")[0] == 0


# ---------------------------------------------------------------- errors that are known before the upload


def test_an_unknown_target_is_refused_before_the_upload(stage: Stage, churn: Path) -> None:
    code, output = _drop(stage, churn, "--target", "churnd")
    assert code == 1
    assert "did you mean 'churned'?" in output
    assert "nothing was uploaded" in output
    assert list(stage.uploads.keys("")) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("algoritms: [mlp]\n", "'algorithms'"),
        ("metric: aucc\n", "auc"),
        ("drop: [ages]\n", "'age'"),
        ("- a\n", "mapping"),
    ],
)
def test_invalid_settings_are_refused_before_the_upload(
    stage: Stage, churn: Path, tmp_path: Path, settings: str, words: str
) -> None:
    (tmp_path / "train.yaml").write_text(settings)
    for arguments in (["--spec", tmp_path / "train.yaml", churn], [tmp_path / "train.yaml", "--model", "churn"]):
        code, output = _drop(stage, *arguments)
        if settings.startswith("drop") and arguments[0] != "--spec":
            continue  # a column is known only beside data
        assert code == 1
        assert words in output
        assert list(stage.uploads.keys("")) == []


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("notes.pdf", b"%PDF-1.7 ...", "no known ending"),
        ("few.csv", _table(12).encode(), "at least 30"),
        ("cut.csv.gz", gzip.compress(_table().encode())[:-20], "cut.csv.gz"),
        ("not.parquet", _table().encode(), "not.parquet"),
    ],
)
def test_a_file_that_a_run_would_refuse_is_refused_before_the_upload(
    stage: Stage, tmp_path: Path, name: str, body: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(body)
    code, output = _drop(stage, tmp_path / name, "--model", "churn")
    assert code == 1
    assert words in output
    assert list(stage.uploads.keys("")) == []


def test_a_file_that_does_not_match_the_stored_test_file_is_refused(stage: Stage, churn: Path) -> None:
    stage.uploads.put("demo/churn/test.csv", b"other,columns\n1,2\n")
    code, output = _drop(stage, churn)
    assert code == 1
    assert "test.csv" in output


def test_drop_with_no_check_uploads_a_file_with_an_unknown_target(stage: Stage, churn: Path) -> None:
    code, _ = _drop(stage, churn, "--target", "churnd", "--no-check")
    assert code == 0
    assert _data_keys(stage) == ["demo/churn/churn.csv"]


def _write_large(folder: Path, name: str) -> Path:
    """Write the table in the format of the file name."""
    file, frame = folder / name, pl.read_csv(io.StringIO(_table()))
    match name.split(".", 1)[1]:
        case "parquet":
            frame.write_parquet(file)
        case "jsonl":
            frame.write_ndjson(file)
        case "csv.gz":
            file.write_bytes(gzip.compress(_table().encode()))
        case _:
            file.write_text(_table())
    return file


@pytest.mark.parametrize("name", ["churn.csv", "churn.csv.gz", "churn.jsonl", "churn.parquet"])
def test_only_settings_and_column_names_of_large_data_are_checked_and_this_is_reported(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(precheck, "MAX_CHECKED_BYTES", 100)
    file = _write_large(tmp_path, name)
    code, output = _drop(stage, file, "--target", "churnd")
    assert code == 1
    assert "did you mean 'churned'?" in output
    assert list(stage.uploads.keys("")) == []
    code, output = _drop(stage, file, "--target", "churned")
    assert code == 0
    assert "only settings and names of columns were checked" in output


def test_a_large_zip_is_not_checked_and_this_is_reported(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precheck, "MAX_CHECKED_BYTES", 100)
    (tmp_path / "pictures.zip").write_bytes(b"PK" + b"0" * 200)
    code, output = _drop(stage, tmp_path / "pictures.zip")
    assert code == 0
    assert "not checked before the upload" in output


def test_the_settings_of_large_data_are_checked(
    stage: Stage, churn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precheck, "MAX_CHECKED_BYTES", 100)
    (tmp_path / "mine.yaml").write_text("sed: 1\n")
    assert _drop(stage, churn, "--spec", tmp_path / "mine.yaml")[0] == 1


def test_part_files_with_different_columns_are_refused_by_name(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "churn.csv").write_text(_table())
    (folder / "prices.csv").write_text("rooms,price\n" + "3,100\n4,200\n" * 30)
    code, output = _drop(stage, folder)
    assert code == 1
    assert "churn.csv, prices.csv cannot be one data set" in output
    assert list(stage.uploads.keys("")) == []


def test_a_folder_of_images_is_checked_before_the_upload(stage: Stage, tmp_path: Path) -> None:
    for label, gray in (("cat", 20), ("dog", 200)):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (6, 6), gray + number).save(tmp_path / "pets" / label / f"{number}.png")
    code, output = _drop(stage, tmp_path / "pets")
    assert code == 0
    assert "(classification)" in output
    (tmp_path / "pets" / "train.yaml").write_text("metric: rmse\ntask: regression\n")
    assert _drop(stage, tmp_path / "pets", "--model", "p2")[0] == 1
    assert list(stage.uploads.keys("demo/p2/")) == []


def test_drop_with_no_watch_prints_the_target(stage: Stage, churn: Path) -> None:
    assert "learning 'visits' (regression); --target chooses another" in _drop(stage, churn)[1]


# ---------------------------------------------------------------- the same bytes again


def _register(stage: Stage, sha256: str, model: str = "churn") -> ModelVersion:
    """Register a version that was trained on an upload with this hash."""
    version = stage.serve(model)
    item = stage.registry.get("demo", model, version.version)
    changed = item.model_copy(update={"lineage": item.lineage.model_copy(update={"upload_sha256": sha256})})
    stage.registry._store.table.update(  # type: ignore[attr-defined]
        f"TENANT#demo#MODEL#{model}", f"VERSION#{version.version:06d}", {"record": changed.model_dump_json()}
    )
    return changed


@pytest.mark.parametrize("arguments", [[], ["--no-check"], ["--target", "churned"]])
def test_a_file_that_was_dropped_before_is_reported_and_uploaded(
    stage: Stage, churn: Path, arguments: list[str]
) -> None:
    _register(stage, hash_files({churn.name: churn}, several=False))
    _register(stage, "0" * 64)
    code, output = _drop(stage, churn, *arguments)
    assert code == 0
    assert "same file as version 1" in output
    assert _data_keys(stage) == ["demo/churn/churn.csv"]


def test_part_files_that_were_dropped_before_are_reported(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "churn"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.csv").write_text(_table(seed=number))
    _register(stage, hash_files({f"{n}.csv": folder / f"{n}.csv" for n in range(2)}, several=True))
    assert "same file as version 1" in _drop(stage, folder)[1]
    assert "same file as version 1" in _drop(stage, folder, "--no-check")[1]


def test_new_bytes_and_the_bytes_of_another_model_are_not_reported(stage: Stage, churn: Path) -> None:
    _register(stage, "0" * 64)
    _register(stage, hash_files({churn.name: churn}, several=False), model="other")
    assert "same file" not in _drop(stage, churn)[1]


# ---------------------------------------------------------------- large and unusual uploads


def _fill(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            body = io.BytesIO()
            pl.read_csv(io.StringIO(_table())).write_parquet(body)
            file.write_bytes(body.getvalue())
        else:
            file.write_text(_table())
    return folder


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (("a.csv", "b.parquet"), ("a.csv", "b.parquet")),
        (("churn.csv", "old.jsonl", "more.tsv"), ("churn.csv", "old.jsonl")),
        (("a.zip", "b.zip"), ("a.zip", "b.zip")),
        (("a.xlsx", "b.xlsx", "notes.md"), ("a.xlsx", "b.xlsx")),
    ],
)
@pytest.mark.parametrize("option", ["--no-check", "--yes"])
def test_a_folder_of_incompatible_files_is_refused_with_a_list(
    stage: Stage, tmp_path: Path, names: tuple[str, ...], listed: tuple[str, ...], option: str
) -> None:
    code, output = _drop(stage, _fill(tmp_path / "d", *names), option)
    assert code == 2
    assert all(name in output for name in listed)
    assert list(stage.uploads.keys("")) == []


def test_a_current_folder_with_other_files_is_uploaded_only_after_confirmation(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _fill(tmp_path / "work", "churn.csv", "notebook.ipynb", "README.md")
    monkeypatch.chdir(folder)
    code, output = _drop(stage, ".")
    assert code == 2
    assert "README.md" in output
    assert "--yes" in output
    assert list(stage.uploads.keys("")) == []
    assert _drop(stage, ".", "--yes")[0] == 0
    assert len(_data_keys(stage)) == 2  # the file, and _SUCCESS


def test_a_current_folder_with_only_data_is_uploaded_without_confirmation(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_fill(tmp_path / "work", "a.csv", "b.csv"))
    assert _drop(stage, ".")[0] == 0


def test_a_folder_with_many_other_files_is_uploaded_only_after_confirmation(stage: Stage, tmp_path: Path) -> None:
    others = [f"chapter-{number}.md" for number in range(folders.MAX_IGNORED_FILES + 1)]
    folder = _fill(tmp_path / "d", "a.csv", *others)
    code, output = _drop(stage, folder)
    assert code == 2
    assert "and 16 more" in output
    assert _drop(stage, folder, "--yes")[0] == 0


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_large_upload_must_be_confirmed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(folders, "MAX_UNCONFIRMED_BYTES", 1_000)
    path = _fill(tmp_path / "d", "a.csv") / ("a.csv" if kind == "file" else "")
    code, output = _drop(stage, path)
    assert code == 2
    assert "kB of data would be uploaded" in output
    assert _drop(stage, path, "--yes")[0] == 0


def test_a_data_set_of_part_files_is_named_by_model_and_time(stage: Stage, tmp_path: Path) -> None:
    _drop(stage, _fill(tmp_path / "clicks", "0.csv", "1.csv"))
    (end,) = [key for key in stage.uploads.keys("") if key.endswith("_SUCCESS")]
    name = end.split("/")[2]
    assert datetime.strptime(name, "clicks-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)
