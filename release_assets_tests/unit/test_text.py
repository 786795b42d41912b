"""Show only this of words that are not ours: no secrets, nothing that drives a terminal."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_assets.text import last_state, one_line, printable, redact, shortened, without
from release_assets_tests.strategies import examples

# Any visible character but the asterisk, which is what stands in a secret's place.
secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=8, max_size=60
)
neighbors = st.text(st.characters(codec="utf-8"), max_size=6)


@given(secrets, neighbors, neighbors)
@examples(500)
def test_a_secret_is_hidden_as_it_is_and_in_a_url(secret: str, before: str, after: str) -> None:
    for form in (secret, quote(secret, safe="")):
        redacted = redact(f"{before}{form}{after}", [secret])
        assert "***" in redacted
        assert form not in redacted


@given(secrets, st.binary(max_size=8), st.binary(max_size=8), st.booleans())
@examples(500)
def test_a_secret_is_hidden_in_base64_wherever_it_starts(
    secret: str, before: bytes, after: bytes, url_safe: bool
) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    encoded = encode(before + secret.encode() + after).decode()
    head, _, end = redact(encoded, [secret]).partition("***")
    # Nothing is left of the secret on either side, whole groups that it shares with its neighbors included.
    assert encoded.startswith(head)
    assert len(head) <= -(-len(before) // 3) * 4
    assert encoded.endswith(end)
    assert len(end) <= -(-len(after) // 3) * 4


@given(st.text())
@examples(200)
def test_text_without_a_secret_is_left_alone(text: str) -> None:
    assert redact(text, []) == text
    assert redact(text, [""]) == text
    assert redact(text, ["\ue000-not-in-it"]).replace("\ue000-not-in-it", "") == text


def test_a_secret_that_begins_like_another_is_hidden_whole() -> None:
    assert redact("token-of-sample-2", ["token-of-sample", "token-of-sample-2"]) == "***"


def test_every_secret_is_hidden_every_time() -> None:
    assert redact("a-token b-token a-token", ["a-token", "b-token"]) == "*** *** ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b[2Jgone", "red and gone"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 back\x08 \u202eright to left", "bell  back   right to left"),
        ("two\nlines\tkept", "two\nlines\tkept"),
    ],
    ids=["colors", "title", "hyperlink", "controls", "lines"],
)
def test_what_would_drive_a_terminal_is_not_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_secret_of_several_lines_is_replaced_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END PRIVATE KEY-----\n"
    assert redact("the key MIIEvQIBADANBgkqhkiG9w0BAQ is shown", [key]) == "the key *** is shown"
    assert redact("short", [key]) == "short"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("10 %\r50 %\r100 %", "100 %"),
        ("done\r", "done"),
        ("\x1b[32mgreen\x1b[0m\r\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mno escape\x07", " 31mno escape "),
        ("a\ttab", "a\ttab"),
    ],
)
def test_a_progress_bar_is_shown_as_it_ends(line: str, shown: str) -> None:
    assert last_state(line) == shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  two\r\nlines \t and\x0bmore ", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 10 + "…"),
        ("", ""),
    ],
)
def test_words_are_put_on_one_line(text: str, line: str) -> None:
    assert one_line(text, limit=10 if "x" in text[:2] else 300) == line


def test_a_long_text_is_shortened() -> None:
    assert (shortened("four", 4), shortened("five5", 4)) == ("four", "five…")


def test_a_secret_is_hidden_also_when_its_escapes_are_gone() -> None:
    assert without(["s3cret-token"], "the s3cret-\x1b[0mtoken and \x1b[1ms3cret-token") == "the *** and ***"


@pytest.mark.parametrize("placeholder", ["t", "xx", "abc"])
def test_a_placeholder_takes_no_words_apart(placeholder: str) -> None:
    assert redact(f"the text of {placeholder}", [placeholder]) == f"the text of {placeholder}"
