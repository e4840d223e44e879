"""Names of tenants, models and runs, and keys of uploads."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidUploadError
from pipeline.contracts.object_keys import (
    RunKeys,
    check_model,
    check_tenant,
    is_run_name,
    parse_upload_key,
    run_name,
    tenant_of_key,
    tenant_of_run,
)

TENANTS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True).filter(lambda t: t not in {"live"})
MODELS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,30}[A-Za-z0-9])?", fullmatch=True)


@given(TENANTS, MODELS, st.text(max_size=50))
def test_the_name_of_a_run_fits_an_execution_and_contains_the_tenant(tenant: str, model: str, key: str) -> None:
    run = run_name(tenant, model, "uploads", key, "v1")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", run)
    assert tenant_of_run(run) == tenant
    assert RunKeys(run).dataset.startswith(f"tenants/{tenant}/runs/{run}/")


def test_the_name_of_a_run_depends_on_the_object_version() -> None:
    first = run_name("demo", "adult", "uploads", "demo/adult/a.csv", "v1")
    assert first == run_name("demo", "adult", "uploads", "demo/adult/a.csv", "v1")
    assert first != run_name("demo", "adult", "uploads", "demo/adult/a.csv", "v2")


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        ("demo/adult/train.csv", True),
        ("demo/adult/train.yaml", False),
        ("demo/adult/model.py", False),
        ("demo/adult/test.csv", False),
        ("demo/adult/", False),
        ("demo/adult/parts/part-0.csv", False),
        ("demo/adult/parts/_SUCCESS", True),
        ("demo/adult/parts/more/_SUCCESS", False),
        ("demo/adult/_SUCCESS", False),
    ],
)
def test_a_data_file_or_the_success_file_of_a_data_set_starts_a_run(key: str, starts: bool) -> None:
    assert parse_upload_key(key).starts_run is starts


@pytest.mark.parametrize("name", ["", "-a", "a_b", "A", "a" * 33, "tenants", "a/b", "..", "a\n"])
def test_an_invalid_tenant_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidUploadError, match="is not a tenant name"):
        check_tenant(name)


def test_a_key_that_starts_with_the_bucket_name_is_refused() -> None:
    with pytest.raises(InvalidUploadError, match=r"'uploads' is not a tenant name.*TENANT/MODEL/FILE"):
        parse_upload_key("uploads/churn/churn.csv")
    assert tenant_of_key("uploads/churn/churn.csv") == ""
    assert parse_upload_key("demo/uploads/churn.csv").model == "uploads"


@pytest.mark.parametrize("name", ["", ".", "_a", "a" * 33, "Versions", "a b", "a\x1b[31m"])
def test_an_invalid_model_name_is_refused_without_control_characters(name: str) -> None:
    with pytest.raises(InvalidUploadError, match="is not a model name") as caught:
        check_model(name)
    assert caught.value.message.isprintable()


def test_a_key_without_a_model_is_refused_with_the_expected_format() -> None:
    with pytest.raises(InvalidUploadError, match="expected TENANT/MODEL/FILE"):
        parse_upload_key("train.csv")


@pytest.mark.parametrize(
    ("key", "tenant"),
    [
        ("demo/adult/a.csv", "demo"),
        ("demo/a.csv", "demo"),
        ("demo", ""),
        ("a.csv", ""),
        ("De mo/x/a.csv", ""),
        ("/x", ""),
    ],
)
def test_the_tenant_of_a_key_is_its_first_folder_or_empty(key: str, tenant: str) -> None:
    assert tenant_of_key(key) == tenant


@pytest.mark.parametrize(
    ("name", "is_run"),
    [
        (run_name("demo", "my.model_2", "uploads", "k", "v"), True),
        ("modeldrop promote", False),
        ("modeldrop promote by anna_b", False),
        ("demo_adult", False),
    ],
)
def test_the_name_of_a_run_is_distinguished_from_that_of_a_person(name: str, is_run: bool) -> None:
    assert is_run_name(name) is is_run
