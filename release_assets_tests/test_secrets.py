"""Secrets are read in one place, and a line break at the end of one is not part of it."""

from __future__ import annotations

import pytest

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
