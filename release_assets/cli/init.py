"""`release-assets init`: look at a repository and write its defs.yaml."""

from __future__ import annotations

import os
from pathlib import Path

import click
import yaml
from pydantic import ValidationError

from release_assets.init.draft import Draft, answered, draft, project_name
from release_assets.init.package import Package
from release_assets.init.repository import Repository, look_at
from release_assets.init.template import render, variables
from release_assets.project import Project
from release_assets.text import printable


@click.command()
@click.argument("path", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The file or directory to write to. Without it, PROJECT/defs.yaml below RELEASE_ASSETS_DEFS, or "
    "below ./defs where that is unset.",
)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing. Fail where a required value cannot be seen.")
@click.option("--force", is_flag=True, help="Overwrite an existing defs.yaml.")
def init(path: Path, output: Path | None, yes: bool, force: bool) -> None:
    """Look at a clone of a repository and write its defs.yaml.

    PATH is the clone, or the directory of one package in it; without it, the current directory. Package,
    version file, Dockerfile, remote and tags are read from it. From its GitHub workflows, image, platforms,
    build arguments, tag patterns and the names of secrets are taken over; what cannot be is listed. Nothing
    of the repository is run.

    \b
    Example: release-assets init ~/src/mypackage
    Exit status: 0 written, 1 failed, 2 wrong usage.
    """
    repository = look_at(path)
    chosen, about_others = _choose(repository, yes)
    targets = [_target(output, package, alone=len(chosen) == 1) for package in chosen]
    for target in targets:
        if target.exists() and not force:
            raise click.UsageError(f"{target} exists. Overwrite it with --force, or set another --output.")
    said = [*about_others, *repository.said]
    for package, target in zip(chosen, targets, strict=True):
        made = _answered(draft(repository.seen(package)), yes)
        text = _validated(made, package)
        existed = target.exists()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{target} cannot be written: {error.strerror}") from None
        _report(made, package, said)
        click.echo(f"\n{target} was {'overwritten' if existed else 'written'}. Next:")
        _say_what_is_next(made, target)
        said = []


def _choose(repository: Repository, yes: bool) -> tuple[list[Package], list[str]]:
    """Return the packages to write a file for, and what should be said about the others.

    Raises UsageError where there is none.
    """
    packages = list(repository.packages)
    if repository.directory != ".":
        here = [package for package in packages if package.directory == repository.directory]
        if here:
            return here, []
        raise click.UsageError(
            f"{repository.directory} holds no package: nothing there declares a name to publish. "
            "Give the directory of a pyproject.toml, or the clone's top."
        )
    if not packages:
        raise click.UsageError(
            f"no package was found in {repository.tree.root}: no pyproject.toml or setup.cfg declares "
            "a name to publish. Give the path of a clone, or of a package's directory in it."
            + "".join(f"\n  {_shown(words)}" for words in repository.said)
        )
    if len(packages) == 1:
        return packages, []
    names = [_shown(f"{package.name} ({package.directory})") for package in packages]
    has_one_at_the_top = packages[0].directory == "."
    if yes:
        if not has_one_at_the_top:
            return packages, []
        others = ", ".join(names[1:])
        return packages[:1], [f"more packages are in the repository, each for an `init` of its own: {others}"]
    for number, name in enumerate(names, 1):
        click.echo(f"{number:3} {name}")
    answer = click.prompt(
        "Which package? (a number, or all)",
        default="1" if has_one_at_the_top else "all",
        type=click.Choice([*map(str, range(1, len(packages) + 1)), "all"]),
        show_choices=False,
    )
    return (packages if answer == "all" else [packages[int(answer) - 1]]), []


def _target(output: Path | None, package: Package, *, alone: bool) -> Path:
    """Return the file to write for a package that is or is not the only one."""
    name = project_name(package.name)
    if output is None:
        return Path(os.environ.get("RELEASE_ASSETS_DEFS") or "defs") / name / "defs.yaml"
    if not alone:
        return output / name / "defs.yaml"
    is_file = output.suffix in {".yaml", ".yml"} and not output.is_dir()
    return output if is_file else output / "defs.yaml"


def _answered(made: Draft, yes: bool) -> Draft:
    """Return the draft with its questions answered. Raises UsageError where --yes leaves one open."""
    answers: dict[tuple[str, ...], str] = {}
    for question in made.questions:
        if not yes:
            answers[question.key] = click.prompt(
                _shown(question.text), default=question.suggestion, show_default=bool(question.suggestion)
            )
        elif not question.required:
            made.left.append(f"not asked: {question.text} Without an answer the file has no `image:`")
    try:
        return answered(made, answers)
    except ValueError as error:
        raise click.UsageError(
            f"nothing in the repository answers: {_shown(str(error))} Run it without --yes."
        ) from None


def _validated(made: Draft, package: Package) -> str:
    """Return the file's text. Raises ClickException where what was found is not a valid project."""
    try:
        text = render(made.attributes, made.comments)
        Project.model_validate(yaml.safe_load(text)["attributes"])
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(map(str, problem['loc']))}: {_shown(problem['msg'].removeprefix('Value error, '))}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise click.ClickException(
            f"{package.name} cannot be declared with what was found:\n{problems}\n"
            "Correct it in the repository, or write defs.yaml by hand."
        ) from None
    except ValueError as error:
        raise click.ClickException(f"{_shown(str(error))}. Write defs.yaml by hand.") from None
    return text


def _report(made: Draft, package: Package, said: list[str]) -> None:
    version = f" {package.version}" if package.version else ""
    click.echo(_shown(f"{package.name}{version} (version from {package.version_from})"))
    for heading, lines in (("Taken over", made.taken), ("Not taken over", made.left), ("Note", said)):
        if lines:
            click.echo(f"\n{heading}:\n" + "\n".join(f"  {_shown(line)}" for line in lines))


def _say_what_is_next(made: Draft, target: Path) -> None:
    folder = target.resolve().parent.parent
    if Path(os.environ.get("RELEASE_ASSETS_DEFS") or "/").resolve() != folder:
        click.echo(f"  export RELEASE_ASSETS_DEFS={folder}")
    if unset := [name for name in variables(made.attributes) if not os.environ.get(name)]:
        click.echo(f"  set {', '.join(unset)}")
    click.echo(f"  release-assets check --project {made.attributes['project']}")


def _shown(text: str) -> str:
    """Return what may be a stranger's text as one line that drives no terminal."""
    return " ".join(printable(text).split())
