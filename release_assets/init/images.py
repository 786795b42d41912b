"""Find the images that a workflow builds and pushes, and its logins to registries. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from release_assets.init.found import ImageBuild, Login
from release_assets.init.script import commands, entries, pairs
from release_assets.init.workflow import Step, secret_in


def metadata_images(steps: Sequence[Step]) -> dict[str, tuple[str, ...]]:
    """Return the image repositories of each job's docker/metadata-action steps."""
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.uses == "docker/metadata-action":
            for line in entries(step.inputs.get("images", "")):
                fields = dict(part.partition("=")[::2] for part in line.split(",") if "=" in part)
                name = fields.get("name", line.partition(",")[0]).strip()
                if name and name not in found.setdefault(step.job, []):
                    found[step.job].append(name)
    return {job: tuple(names) for job, names in found.items()}


def builds(step: Step, place: str, images: Sequence[str]) -> Iterator[ImageBuild]:
    """Yield the images that a step pushes; `images` are the names that the job's metadata step gives."""
    if step.uses == "docker/build-push-action" and pushes(step):
        inputs = step.inputs
        names = [_without_tag(tag) for tag in entries(inputs.get("tags", "").replace(",", "\n"))]
        names += re.findall(r"\bname=([^,\s]+)", inputs.get("outputs", ""))
        names = [name for name in names if not name.startswith("${{ steps.")]
        yield ImageBuild(
            place=place,
            repositories=tuple(dict.fromkeys(names or images)),
            platforms=_platforms(inputs.get("platforms", "")),
            dockerfile=inputs.get("file") or None,
            context=inputs.get("context") or None,
            build_args=pairs(inputs.get("build-args", "")),
            build_contexts=pairs(inputs.get("build-contexts", "")),
            provenance={"false": False, "true": True}.get(inputs.get("provenance", "")),
        )
    pushed = {_without_tag(name) for name in re.findall(r"\bdocker push (?:-\S+ )*(\S+)", step.run)}
    for command in commands(step.run):
        build = _from_command(command, place)
        if build is not None and (
            re.search(r"--push\b|type=registry", command) or pushed.intersection(build.repositories)
        ):
            yield build


def pushes(step: Step) -> bool:
    """Return whether a build is pushed when a tag is; an expression may say no for pull requests."""
    push, outputs = step.inputs.get("push", "false").strip(), step.inputs.get("outputs", "")
    return push not in {"false", ""} or "push=true" in outputs or "type=registry" in outputs


FLAGS = frozenset({"--push", "--load", "--no-cache", "--pull", "-q", "--quiet", "--rm"})


def _from_command(command: str, place: str) -> ImageBuild | None:
    """Return the build of a `docker build` command line, or None for another command."""
    if not re.match(r"(?:sudo )?docker (?:buildx )?build\b", command):
        return None
    try:
        words = iter(shlex.split(command, comments=True))
    except ValueError:  # a quotation that never ends
        return None
    while next(words) != "build":
        pass
    options: dict[str, list[str]] = {}
    positional: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if word in {"&&", "||", ";", "|"}:
            break
        if not word.startswith("-"):
            positional.append(word)
        elif name not in FLAGS:
            options.setdefault(name, []).append(value if equals else next(words, ""))
    files = [*options.get("-f", []), *options.get("--file", [])]
    return ImageBuild(
        place=place,
        repositories=tuple(
            dict.fromkeys(_without_tag(tag) for tag in [*options.get("-t", []), *options.get("--tag", [])])
        ),
        platforms=_platforms(",".join(options.get("--platform", []))),
        dockerfile=files[0] if files else None,
        context=positional[0] if positional else None,
        build_args=pairs("\n".join(options.get("--build-arg", []))),
        build_contexts=pairs("\n".join(options.get("--build-context", []))),
    )


def logins(step: Step, place: str) -> Iterator[Login]:
    """Yield the logins of a step."""
    if step.uses == "docker/login-action":
        yield Login(
            place,
            step.inputs.get("registry") or "docker.io",
            step.inputs.get("username", ""),
            secret_in(step.inputs.get("password")),
        )
    for command in commands(step.run):
        if match := re.search(r"\bdocker\s+login\b(.*)", command):
            username = re.search(r"(?:-u|--username)[ =]+(\$\{\{[^}]*\}\}|\S+)", match[1])
            words = [
                word for word in re.sub(r"\$\{\{[^}]*\}\}", "", match[1]).split() if not word.startswith("-")
            ]
            registry = next(
                (word for word in words if re.fullmatch(r"[\w.-]+\.\w+(:\d+)?", word)), "docker.io"
            )
            yield Login(place, registry, username[1].strip("'\"") if username else "", secret_in(command))


def _platforms(text: str) -> tuple[str, ...]:
    words = (word.strip().strip("'\"") for word in re.split(r"[,\n]", text))
    return tuple(dict.fromkeys(word for word in words if word))


def _without_tag(reference: str) -> str:
    """Return an image's repository: the reference without its tag and digest, not without a port."""
    reference = re.sub(
        r"\$\{\{[^}]*\}\}", lambda match: match[0].replace(":", "\0").replace("/", "\1"), reference
    )
    reference = reference.partition("@")[0]
    head, slash, last = reference.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}".replace("\0", ":").replace("\1", "/")


def tag_of(reference: str) -> str:
    """Return an image reference's tag, "" where it has none."""
    return reference.removeprefix(_without_tag(reference)).removeprefix(":")


def is_made(tag: str) -> bool:
    """Return whether a tag is one that a release has here: its version, a part of it, or latest."""
    return "${" in tag or "latest" in tag or bool(re.fullmatch(r"v?\d[\w.]*", tag))
