"""Write notes from conventional commits with git-cliff, which reads what strangers wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from release_assets.distributions import isolation
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError, Limits, environment, run
from release_assets.text import printable

SECONDS = 120.0
LIMITS = Limits(memory=2 * 1024**3, file=64 * 1024**2)
OWN_CONFIGURATION = Path(__file__).with_name("cliff.toml")


def notes_from_commits(
    objects: Path,
    *,
    tags: Mapping[str, str],
    tag: str,
    previous: str | None,
    configuration: str | None,
    directory: str,
    scratch: Path,
) -> str:
    """Return the notes for the commits after `previous` up to `tag`, in Markdown; "" where there are none.

    `objects` is the object directory of a bare repository; `tags` has the commits of both tags. git-cliff
    sees a repository with these two tags only: release candidates and moving tags between them do not divide
    the notes. `configuration` is the repository's cliff.toml; `directory` is the package's, "." for all of
    the repository; `scratch` is an empty folder.
    Raises PermanentError with git-cliff's own words.
    """
    repository = _repository(
        scratch / "repository", objects, {name: tags[name] for name in (tag, previous) if name}
    )
    config = scratch / "cliff.toml"
    config.write_text(
        OWN_CONFIGURATION.read_text(encoding="utf-8") if configuration is None else configuration,
        encoding="utf-8",
    )
    argv = ["git-cliff", "--offline", "--no-exec", "--config", str(config), "--strip", "all"]
    argv += ["--repository", str(repository), "--workdir", str(scratch)]
    if directory != ".":
        argv += ["--include-path", f"{directory}/**"]
    if previous is not None:
        argv += ["--", f"{previous}..{tag}"]
    if isolation.is_available():
        argv = isolation.isolated(argv, readable=[objects, scratch], writable=[])
    try:
        output = run(
            argv,
            env=environment(HOME=str(scratch), NO_COLOR="1", RUST_BACKTRACE="0"),
            timeout=SECONDS,
            directory=scratch,
            limits=LIMITS,
        )
    except CommandFailedError as error:
        said = printable("\n".join(error.tail[-5:]))[:2000] or error.reason
        raise PermanentError(
            f"git-cliff cannot write the notes of {tag}: {error.reason}: {said}",
            "Correct cliff.toml, tag that commit, or set another `github: notes:` in defs.yaml.",
        ) from None
    return output.strip()


def _repository(path: Path, objects: Path, tags: Mapping[str, str]) -> Path:
    """Return a bare repository that borrows all objects and has these tags."""
    (path / "objects" / "info").mkdir(parents=True)
    (path / "refs").mkdir()
    (path / "objects" / "info" / "alternates").write_text(f"{os.fspath(objects)}\n", encoding="utf-8")
    (path / "HEAD").write_text(f"{next(iter(tags.values()))}\n", encoding="utf-8")
    (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n", encoding="utf-8")
    lines = sorted(f"{commit} refs/tags/{name}\n" for name, commit in tags.items())
    (path / "packed-refs").write_text("".join(lines), encoding="utf-8")
    return path
