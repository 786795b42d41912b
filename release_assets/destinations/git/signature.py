"""Read who signed a tag: `git verify-tag` with keys that are given, not those of a user."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from release_assets.destinations.git import command
from release_assets.destinations.git.mirror import Mirror
from release_assets.errors import PermanentError, ReleaseError
from release_assets.process import CommandFailedError, environment, run

GPG_SECONDS = 60.0
SIGNERS = (
    re.compile(r'^Good "git" signature for (.+) with \S+ key \S+$', re.MULTILINE),
    re.compile(r'^gpg: Good signature from "(.+?)"', re.MULTILINE),
)
REMEDY = "Sign the tag (`git tag --sign --force TAG COMMIT`) with a key that publish.signers names."


def signer_of(mirror: Mirror, name: str, commit: str, *, ssh: Sequence[str], gpg: Sequence[str]) -> str:
    """Return who signed the tag, as the key names them.

    `ssh` are lines of an allowed signers file, `gpg` armored public keys. Raises PermanentError where the tag
    is not signed by one of them, or signed for another name or commit; TransientError where the remote cannot
    be reached.
    """
    mirror.fetch(commit)
    tag = mirror.fetch_tags({name: commit}, again=True)[name]
    if tag.object == tag.commit:
        raise PermanentError(f"tag {name} is not signed: it is a lightweight tag", REMEDY)
    _refuse_another(mirror, name, commit, tag.object)
    folder = Path(tempfile.mkdtemp(prefix="signers-"))  # 0700, as gpg requires
    try:
        allowed = folder / "allowed_signers"
        allowed.write_text("".join(f"{line}\n" for line in ssh), encoding="utf-8")
        if gpg:
            _import(folder, gpg)
        said: list[str] = []
        try:
            command.run_local(
                "--git-dir", mirror.path, "verify-tag", tag.object,
                remote=mirror.remote,
                settings={
                    "gpg.ssh.allowedSignersFile": str(allowed),
                    "gpg.x509.program": "false",  # certificates of the machine's users do not count
                },
                variables={"GNUPGHOME": str(folder)},
                log=said.append,
            )  # fmt: skip
        except ReleaseError:
            reason = "; ".join(line for line in said if line.strip()) or "it has no signature"
            raise PermanentError(
                f"tag {name} is not signed by a key that publish.signers names: {reason}", REMEDY
            ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    output = "\n".join(said)
    for pattern in SIGNERS:
        if (match := pattern.search(output)) is not None:
            return match[1]
    raise PermanentError(f"tag {name} is signed, and git does not print by whom: {output}", REMEDY)


def _refuse_another(mirror: Mirror, name: str, commit: str, sha: str) -> None:
    """Raise PermanentError where the tag object was made for another tag or another object.

    git verifies the signature only. Anybody who may push could give an old signed tag a new name.
    """
    head = mirror.git("cat-file", "tag", sha).partition("\n\n")[0]
    fields = dict(line.partition(" ")[::2] for line in reversed(head.splitlines()))
    signed = f"{fields.get('tag')} at {fields.get('type')} {fields.get('object')}"
    if signed != f"{name} at commit {commit}":
        raise PermanentError(f"tag {name} at commit {commit} holds the signed tag {signed}", REMEDY)


def _import(folder: Path, keys: Sequence[str]) -> None:
    """Make a keyring of these keys. Raises PermanentError where gpg is missing or rejects one of them."""
    file = folder / "keys.asc"
    file.write_text("\n".join(keys), encoding="utf-8")
    try:
        run(
            ["gpg", "--homedir", folder, "--batch", "--no-autostart", "--quiet", "--import", file],
            env=environment(LC_ALL="C.UTF-8"),
            timeout=GPG_SECONDS,
        )
    except CommandFailedError as error:
        raise PermanentError(
            f"gpg cannot import the keys of publish.signers.gpg: {error.reason}. {'; '.join(error.tail)}",
            "Install gnupg, and paste the output of `gpg --armor --export KEY`.",
        ) from None
