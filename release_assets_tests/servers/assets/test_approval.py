"""approval: nothing irreversible happens before a person, or the signature of a tag, approves the release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from release_assets.nodes.image_step import image_name
from release_assets.process import environment, run
from release_assets_tests.maintainer import BUILD, Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.pushed_images import PLATFORM, push_image
from tools.sandbox.registry import Registry as RealRegistry

REQUIRED = {"approval": "required"}


@pytest.fixture
def careful(new: NewMaintainer, package_stands: Stands) -> Maintainer:
    """A maintainer whose releases wait for an approval."""
    return new(package_stands, publish=REQUIRED)


def waiting(maintainer: Maintainer, tag: str) -> dict[str, str]:
    """Return what the UI shows of a release that waits."""
    key = dg.AssetKey([maintainer.name, "approval"])
    records = maintainer.instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[tag]), limit=1
    ).records
    assert records[0].asset_observation is not None
    return {name: str(value.value) for name, value in records[0].asset_observation.metadata.items()}


def waiting_code(words: str) -> str:
    """Return the code that a message tells a person to approve with."""
    return words.partition("release_assets/approve=")[2].partition(",")[0]


def approve(maintainer: Maintainer, tag: str, code: str, *nodes: str, **more: str) -> Outcome:
    """Launch the run that approves a release."""
    tags = {"approve": code, "approved_by": "anna", "reason": "tried the wheel", **more}
    return maintainer.materialize(
        tag, *nodes, run_tags={f"release_assets/{name}": value for name, value in tags.items()}
    )


def test_a_release_waits_until_a_named_person_approves_it(careful: Maintainer) -> None:
    commit = careful.tag("v1.2.3", "1.2.3")
    outcome = careful.materialize("v1.2.3")
    assert outcome.success  # it waits, and has not failed
    assert outcome.materialized == [*BUILD]
    assert (careful.served(), careful.github_releases()) == ({}, {})
    assert "v1.2.3 waits for an approval: nobody has approved it" in outcome.said
    shown = waiting(careful, "v1.2.3")
    assert shown["commit"] == commit
    assert shown["wheel_sha256"] == outcome.metadata("wheel")["sha256"]
    assert "release-assets approve v1.2.3" in shown["what_to_do"]

    for node in ("pypi_publication", "github_release"):
        refused = careful.materialize("v1.2.3", node)
        assert "v1.2.3 is not approved: nobody has approved it" in refused.words(node)
    assert (careful.served(), careful.github_releases()) == ({}, {})

    approved = approve(careful, "v1.2.3", shown["code"])
    assert approved.success, approved.said
    metadata = approved.metadata("approval")
    assert (metadata["approved_by"], metadata["reason"]) == ("anna", "tried the wheel")
    assert (len(careful.served()), [*careful.github_releases()]) == (2, ["v1.2.3"])

    again = careful.materialize("v1.2.3", "approval", "pypi_publication")
    assert again.success  # a retry needs no second approval
    assert again.metadata("approval")["approved_by"] == "anna"

    (record,) = careful.home.rglob("sdist.json")
    digest = outcome.metadata("sdist")["sha256"]
    record.write_text(
        record.read_text().replace(digest, "0" * 64)
    )  # the store was lost, and it was built again
    refused = careful.materialize("v1.2.3", "pypi_publication")
    assert f"the sdist with sha256 {digest} was approved" in refused.words("pypi_publication")


def test_a_moved_tag_needs_an_approval_of_its_own(careful: Maintainer) -> None:
    careful.tag("v1.2.3", "1.2.3")
    careful.materialize("v1.2.3", "approval")
    code = waiting(careful, "v1.2.3")["code"]
    moved = careful.tag("v1.2.3", "1.2.3", **{"sample/__init__.py": "evil = True\n"})
    again = approve(careful, "v1.2.3", code, "approval")  # executed again, with the tags of the run before
    words = again.words("approval")
    assert f"the run approves {code}, and" in words
    assert f"commit {moved}" in words
    assert approve(careful, "v1.2.3", waiting_code(words), "approval").success


def test_an_approval_without_a_name_is_refused(careful: Maintainer) -> None:
    careful.tag("v1.2.3", "1.2.3")
    careful.materialize("v1.2.3", "approval")
    code = waiting(careful, "v1.2.3")["code"]
    refused = approve(careful, "v1.2.3", code, "approval", approved_by=" ")
    assert "its tag release_assets/approved_by names nobody" in refused.words("approval")


def test_images_wait_and_a_rebuild_tag_alone_moves_nothing(
    new: NewMaintainer, package_stands: Stands, registry: RealRegistry
) -> None:
    variables = {"DOCKER_USERNAME": registry.username, "DOCKER_TOKEN": registry.token}
    maintainer = new(
        replace(package_stands, variables={**package_stands.variables, **variables}), publish=REQUIRED
    )
    repository = f"{registry.host}/tests/{maintainer.name}"
    maintainer.attributes["image"] = {"repository": repository, "platforms": [PLATFORM], "cache": "none"}
    # Somebody with a token of the registry has pushed an image, and published the release on GitHub's page.
    push_image(maintainer, "1.2.3", maintainer.tag("v1.2.3", "1.2.3"))
    images = (image_name(PLATFORM), "manifest_list", "floating_tags")
    for node in images:
        refused = maintainer.materialize("v1.2.3", node)
        assert "v1.2.3 is not approved: nobody has approved it" in refused.words(node)
    outcome = maintainer.materialize("v1.2.3", "approval", *images)
    assert (outcome.success, outcome.materialized) == (True, [])
    assert maintainer.digest("latest") is None
    code = waiting(maintainer, "v1.2.3")["code"]
    assert approve(maintainer, "v1.2.3", code, "approval", "floating_tags").success
    assert maintainer.digest("latest") is not None

    rebuild = maintainer.commit("1.2.3", Dockerfile="FROM scratch\n")
    maintainer.repository.tag("docker-rebuild-v1.2.3")
    outcome = maintainer.materialize("v1.2.3", "approval", *images)
    assert (outcome.success, outcome.materialized) == (True, [])
    assert f"a rebuild tag names {rebuild} now" in outcome.said


# Signed tags


def end_agent(home: Path) -> None:
    """End the agent that gpg leaves behind."""
    run(["gpgconf", "--homedir", home, "--kill", "all"], env=environment(), timeout=60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SSH keys `ours` and `theirs`, and a GnuPG home with a key."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        run(command, env=environment(), timeout=60)
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        run([*gpg, "--quick-generate-key", "Anna <anna@example.org>", "ed25519", "sign"],
            env=environment(), timeout=60)  # fmt: skip
        exported = run(["gpg", "--homedir", home, "--armor", "--export"], env=environment(), timeout=60)
    finally:
        end_agent(home)
    (folder / "gpg.asc").write_text(exported)
    return folder


def signers(keys: Path) -> dict[str, list[str]]:
    public = (keys / "ours.pub").read_text().split()
    return {"ssh": [f"anna@example.org {public[0]} {public[1]}"], "gpg": [(keys / "gpg.asc").read_text()]}


def sign(maintainer: Maintainer, tag: str, key: Path) -> None:
    """Sign a tag of the newest commit with an SSH key."""
    maintainer.repository.git(
        "-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "tag", "--sign", "--force", "-m", tag, tag
    )


def test_a_signed_tag_is_approved_by_its_signer(
    new: NewMaintainer, package_stands: Stands, keys: Path
) -> None:
    maintainer = new(package_stands, publish={**REQUIRED, "signers": signers(keys)})
    maintainer.commit("1.2.3")
    sign(maintainer, "v1.2.3", keys / "ours")
    outcome = maintainer.materialize("v1.2.3", "approval")
    metadata = outcome.metadata("approval")
    assert (metadata["approved_by"], metadata["reason"]) == ("anna@example.org", "signed tag v1.2.3")


def test_a_tag_signed_with_gpg_is_approved_as_well(
    new: NewMaintainer, package_stands: Stands, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintainer = new(package_stands, publish={**REQUIRED, "signers": signers(keys)})
    maintainer.commit("1.2.3")
    gpg = keys / "gpg"
    gpg.write_text(f'#!/bin/sh\nexec gpg --homedir "{keys}/gnupg" --pinentry-mode loopback "$@"\n')
    gpg.chmod(0o755)
    maintainer.repository.git(
        "-c", f"gpg.program={gpg}", "-c", "user.signingKey=anna@example.org", "tag", "-s", "-m", "x", "v1.2.3"
    )
    end_agent(keys / "gnupg")
    # A key in the user's own keyring counts for nothing, and neither does their configuration.
    monkeypatch.setenv("GNUPGHOME", str(keys / "gnupg"))
    outcome = maintainer.materialize("v1.2.3", "approval")
    assert outcome.metadata("approval")["approved_by"] == "Anna <anna@example.org>"
    maintainer.attributes["publish"] = {**REQUIRED, "signers": {"ssh": signers(keys)["ssh"]}}
    maintainer.lose_dagster_home()
    again = maintainer.materialize("v1.2.3", "approval")
    assert "v1.2.3 is not signed by a key that publish.signers names" in again.said
    assert again.materialized == []


def test_a_signature_for_something_else_approves_nothing(
    new: NewMaintainer, package_stands: Stands, keys: Path
) -> None:
    maintainer = new(package_stands, publish={**REQUIRED, "signers": signers(keys)})
    git = maintainer.repository.git
    maintainer.commit("1.2.3")
    sign(maintainer, "v1.2.2", keys / "ours")
    # Somebody who may push, and has no key: the signed tag of the release before gets another name.
    git("update-ref", "refs/tags/v1.2.3", git("rev-parse", "refs/tags/v1.2.2"))
    said = maintainer.materialize("v1.2.3", "approval").said
    assert "v1.2.3 waits for an approval: nobody has approved it; tag v1.2.3 at commit" in said
    assert "holds the signed tag v1.2.2 at commit" in said
    for sign_it, words in {
        "theirs": 'publish.signers names: Good "git" signature with ED25519 key',
        "annotated": "is not signed by a key that publish.signers names: error: no signature found",
        "lightweight": "is not signed: it is a lightweight tag",
    }.items():
        if sign_it == "theirs":
            sign(maintainer, "v1.2.3", keys / "theirs")
        else:
            maintainer.repository.tag("v1.2.3", annotated=sign_it == "annotated")
        outcome = maintainer.materialize("v1.2.3", "approval")
        assert outcome.success
        assert words in outcome.said
        assert outcome.materialized == []
