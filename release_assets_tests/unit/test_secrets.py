"""Secrets are read in one place, and a line break at the end of one is not part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.errors import PermanentError
from release_assets.secrets import read_secret, read_secrets


@pytest.mark.parametrize("value", ["token", "token\n", "token\r\n", " token\t\n\n"])
def test_blanks_around_a_secret_are_not_part_of_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", value)
    assert read_secret("A_TOKEN") == "token"


@pytest.mark.parametrize("value", [None, "", "\n"])
def test_a_variable_without_a_value_is_unset(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_TOKEN", raising=False)
    monkeypatch.setenv("B_TOKEN", "b\n")
    if value is not None:
        monkeypatch.setenv("A_TOKEN", value)
    assert read_secret("A_TOKEN") == ""
    assert read_secrets(["A_TOKEN", "B_TOKEN"]) == ["b"]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RELEASE_ASSETS_SECRETS", str(tmp_path))
    monkeypatch.delenv("A_TOKEN", raising=False)
    return tmp_path


def test_an_unset_variable_is_read_from_the_file_of_its_name(directory: Path) -> None:
    (directory / "A_TOKEN").write_text("token\n")
    assert read_secret("A_TOKEN") == "token"
    assert read_secrets(["A_TOKEN", "B_TOKEN"]) == ["token"]


def test_a_variable_comes_before_a_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "A_TOKEN").write_text("from the file")
    monkeypatch.setenv("A_TOKEN", "from the variable")
    assert read_secret("A_TOKEN") == "from the variable"


def test_a_secret_that_cannot_be_read_is_an_error_with_the_file(directory: Path) -> None:
    (directory / "A_TOKEN").mkdir()  # root reads every file
    with pytest.raises(PermanentError, match=r"A_TOKEN cannot be read from .*/A_TOKEN: Is a directory"):
        read_secret("A_TOKEN")


def test_a_secret_of_binary_data_is_an_error_that_shows_none_of_it(directory: Path) -> None:
    (directory / "A_TOKEN").write_bytes(b"secret\xff")
    with pytest.raises(PermanentError, match=r"A_TOKEN in .* is not text") as caught:
        read_secret("A_TOKEN")
    assert "secret\\" not in str(caught.value)
