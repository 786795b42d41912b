"""A verification's words about the record and the images, and the commands that it prints."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from packaging.version import Version

from release_assets.destinations.package_index import IndexFile
from release_assets.nodes.metadata import table
from release_assets.planning.observed import Hidden, Images, Seen, TaggedImage
from release_assets.project import Image, Project
from release_assets.rules.tags import Channel, Release
from release_assets.verification.archives import Difference, Likeness
from release_assets.verification.commands import commands
from release_assets.verification.finding import Verdict, has_failed
from release_assets.verification.images import joined_images, signature
from release_assets.verification.layout import ImageContent, image_difference
from release_assets.verification.rebuild import rebuilt_finding
from release_assets.verification.verify import against_record

COMMIT = "c" * 40
RELEASE = Release("v1.0", Version("1.0"), COMMIT, Channel.STABLE)
ATTRIBUTES: dict[str, Any] = {
    "project": "a",
    "repository": "https://github.com/me/a.git",
    "package": {},
    "image": {"repository": "ghcr.io/me/a", "platforms": ["linux/amd64"]},
}
FILE = IndexFile("a-1.0.tar.gz", "a" * 64, "https://files.example/a-1.0.tar.gz#sha256=x", yanked=False)


def project(**image: Any) -> Project:
    return Project.model_validate({**ATTRIBUTES, "image": {**ATTRIBUTES["image"], **image}})


def declared(**image: Any) -> Image:
    found = project(**image).image
    assert found is not None
    return found


def test_without_a_record_nothing_fails() -> None:
    seen = Seen(RELEASE, {FILE.filename: FILE}, None, None)
    (found,) = against_record(project(), seen, {"pypi_publication": {}})
    assert found.verdict is Verdict.UNCHECKED
    assert "compared with each other only" in found.words


def test_a_file_that_is_not_what_was_recorded_fails() -> None:
    seen = Seen(RELEASE, {FILE.filename: FILE}, Hidden("down"), Hidden("down"))
    rows = [{"file": FILE.filename, "sha256": "b" * 64}]
    recorded = {"pypi_publication": {"files": table(rows).value, "commit": COMMIT}}
    found = {one.what: one for one in against_record(project(), seen, recorded)}
    assert found["version"].verdict is Verdict.OK
    assert found["pypi_publication"].verdict is Verdict.FAILED
    assert "a" * 64 in found["pypi_publication"].words


@pytest.mark.parametrize(
    ("likeness", "verdict"),
    [
        (Likeness.IDENTICAL, Verdict.OK),
        (Likeness.PACKED_ANOTHER_WAY, Verdict.NOTED),
        (Likeness.BACKEND, Verdict.NOTED),
        (Likeness.DIFFERENT, Verdict.FAILED),
    ],
)
def test_only_other_contents_fail_a_rebuild(likeness: Likeness, verdict: Verdict) -> None:
    found = rebuilt_finding("a-1.0.tar.gz", Difference(likeness, ("a line",)))
    assert (found.verdict, found.details) == (verdict, ("a line",))
    assert has_failed([found]) is (verdict is Verdict.FAILED)


def images(revision: str, *, is_joined: bool = True) -> Images:
    tagged = TaggedImage("sha256:1", frozenset({revision}))
    return Images(tagged, {"linux/amd64": tagged}, is_joined, {}, frozenset(), frozenset())


def test_images_of_the_tags_commit_are_right() -> None:
    found = list(joined_images(declared(), RELEASE, images(COMMIT), frozenset({COMMIT})))
    assert {one.verdict for one in found} == {Verdict.OK}


def test_an_image_of_another_commit_fails_with_both() -> None:
    found = list(joined_images(declared(), RELEASE, images("d" * 40), frozenset({COMMIT})))
    assert found[-1].verdict is Verdict.FAILED
    assert found[-1].words == f"sha256:1 states commit {'d' * 40}; expected {COMMIT}"


def test_a_list_of_other_images_fails() -> None:
    found = list(joined_images(declared(), RELEASE, images(COMMIT, is_joined=False), frozenset({COMMIT})))
    assert found[0].verdict is Verdict.FAILED


def test_a_release_without_images_fails() -> None:
    empty = Images(None, {"linux/amd64": None}, False, {}, frozenset(), frozenset())
    (found,) = joined_images(declared(), RELEASE, empty, frozenset({COMMIT}))
    assert (found.verdict, found.words) == (Verdict.FAILED, "ghcr.io/me/a has no tag 1.0.0")


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        (None, "the project signs no images"),
        ({"key_env": "NO_SUCH_KEY"}, "Set image.sign.public_key in defs.yaml"),
        ({}, "Set image.sign.identity and image.sign.issuer in defs.yaml"),
    ],
)
def test_a_signer_that_nobody_names_is_not_checked(sign: dict[str, str] | None, words: str) -> None:
    found = signature(declared(sign=sign), "v1.0", "ghcr.io/me/a@sha256:1", {}, secrets=[])
    assert found.verdict is Verdict.UNCHECKED
    assert words in found.words


def content(layers: tuple[str, ...], config: dict[str, Any], digest: str = "sha256:c") -> ImageContent:
    return ImageContent("sha256:m", config, digest, layers)


def test_layers_and_settings_that_differ_are_named() -> None:
    history = [{"created_by": "FROM"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN make"}]
    theirs = content(("sha256:1", "sha256:2"), {"history": history, "config": {"Env": ["A=1"]}})
    ours = content(("sha256:1", "sha256:3"), {"history": history, "config": {"Env": ["A=2"]}})
    assert image_difference(theirs, ours) == (
        "layer 2 (RUN make): sha256:2, rebuilt sha256:3",
        "config.config.Env[0]: 'A=1', rebuilt 'A=2'",
    )
    assert image_difference(theirs, theirs) == ()


def test_commands_quote_what_others_wrote() -> None:
    hostile = IndexFile("a-1.0.tar.gz", "a" * 64, "https://files.example/$(touch x)", yanked=False)
    lines = commands(project(), RELEASE, {hostile.filename: hostile}, image=None)
    assert "curl -fsSLO 'https://files.example/$(touch x)'" in lines
    assert f'test "$(git -C source rev-parse HEAD)" = {COMMIT}' in lines


def test_commands_verify_the_signature_by_what_the_yaml_names() -> None:
    reference = "ghcr.io/me/a@sha256:1"
    by_key = commands(project(sign={"public_key": "MFkw"}), RELEASE, {}, image=reference)
    assert any(shlex.split(line)[:2] == ["cosign", "verify"] and "cosign.pub" in line for line in by_key)
    sign = {"identity": "https://x/r.yml@refs/tags/{tag}", "issuer": "https://issuer.example"}
    keyless = commands(project(sign=sign), RELEASE, {}, image=reference)
    assert "https://x/r.yml@refs/tags/v1.0" in shlex.split(keyless[-1])
