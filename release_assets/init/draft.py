"""Put together what was seen of a repository: the project's attributes, and what nothing says. Pure.

It is long because each block of keys has its own rules, and later blocks need the answers of earlier ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from release_assets.init.image import Image, choose_image
from release_assets.init.package import Package
from release_assets.init.publishing import Published
from release_assets.init.remote import Remote, holds, release_pattern, tag_patterns
from release_assets.init.uploads import PYPI, TEST_PYPI
from release_assets.rules.tags import TagPatterns


@dataclass(frozen=True)
class Seen:
    """The findings in a repository, for one of its packages."""

    package: Package
    alone: bool  # the only package of its repository
    remote: Remote
    tags: Sequence[str]  # the remote's
    published: Sequence[Published] = ()
    dockerfiles: Sequence[str] = ()
    attached: frozenset[str] = frozenset()  # the globs of releases' files that match something
    version_args: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by Dockerfile


@dataclass(frozen=True)
class Question:
    """A value that nothing in the repository says; without an answer, `key` is left out or `init` fails."""

    key: tuple[str, ...]
    text: str
    suggestion: str = ""
    required: bool = False


@dataclass
class Draft:
    """A project's attributes as far as they were seen, with a comment for each place that has one."""

    attributes: dict[str, Any]
    comments: dict[tuple[str, ...], str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def set(self, key: tuple[str, ...], value: Any, where: str = "") -> None:
        """Set an attribute, and say where it was seen."""
        block = self.attributes
        for name in key[:-1]:
            block = block.setdefault(name, {})
        block[key[-1]] = value
        if where:
            self.comments[key] = f"from {where}"
            shown = ", ".join(map(str, value)) if isinstance(value, (list, dict)) else str(value)
            self.taken.append(f"{'.'.join(key)}: {shown} ({where})")


def project_name(package: str) -> str:
    """Return a package's name as a project's: [a-z0-9_]."""
    return re.sub(r"[^a-z0-9]+", "_", package.lower()).strip("_")


def draft(seen: Seen) -> Draft:
    """Return the draft of a project's defs.yaml."""
    package, remote = seen.package, seen.remote
    made = Draft({"project": project_name(package.name), "repository": remote.url, "package": {}})
    if remote.alternative is not None:
        made.comments[("repository",)] = f"for a private repository: {remote.alternative}"
    if package.directory != ".":
        made.set(("package", "directory"), package.directory)
    if package.version_file is not None:
        made.set(("package", "version_file"), package.version_file, package.version_from)
    if not package.name_is_declared:
        made.set(("package", "name"), package.name)
    made.left += package.notes
    published = [one for one in seen.published if _is_for(one, seen)]
    patterns = _set_tags(made, seen, published)
    _set_indexes(made, package.name, published)
    _set_github(made, seen, published)
    _set_image(made, seen, published, patterns)
    made.left += (words for one in published for words in one.left)
    made.left = list(dict.fromkeys(made.left))
    return made


def _is_for(published: Published, seen: Seen) -> bool:
    """Return whether a workflow publishes this package, as far as its tags and directories say."""
    if seen.alone:
        return True
    workflow = published.workflow
    if workflow.tags:
        return any(holds(_prefix(tag), _names(seen.package)) for tag in workflow.tags)
    directories = {step.directory.removeprefix("./").strip("/") for step in workflow.steps} - {""}
    return not directories or seen.package.directory in directories


def _names(package: Package) -> list[str]:
    return [package.name, package.directory.rpartition("/")[2]]


# Tags


def _prefix(glob: str) -> str:
    """Return what comes before the version in a workflow's tag filter: `v` of `v*`, `v1.*` and `v[0-9]+`."""
    return re.sub(r"\d[\d.]*$", "", re.split(r"[*?+\[!]", glob, maxsplit=1)[0])


def _set_tags(made: Draft, seen: Seen, published: Sequence[Published]) -> TagPatterns:
    """Set how tags are written, as the workflows have it, else the remote's tags, else by default."""
    by_remote = release_pattern(seen.tags, _names(seen.package), alone=seen.alone)
    found: dict[str, tuple[str, str]] = {}  # kind → pattern, and where it was seen
    exclusions: list[tuple[str, str]] = []
    for one in published:
        for glob in one.workflow.tags:
            prefix = _prefix(glob)
            if glob.startswith("!"):
                exclusions.append((glob, one.workflow.file))
            elif not re.fullmatch(r"[\w./@=-]*", prefix):
                made.left.append(f"{one.workflow.file}: the tag filter {glob!r} is not taken over")
            elif prefix or by_remote is None:
                found.setdefault(_kind(prefix, one), (prefix + "{version}", one.workflow.file))
    name = made.attributes["project"].replace("_", "-")
    if "release" not in found and by_remote is not None:
        found["release"] = (by_remote, "the remote's tags")
    release, where = found.setdefault("release", ("v{version}" if seen.alone else f"{name}-v{{version}}", ""))
    if by_remote not in {None, release}:
        made.left.append(
            f"the remote's newest tags are written {by_remote}, but {where} starts on {release}: "
            "correct `tags: release:`, if that is wrong"
        )
    for glob, file in exclusions:
        if glob.startswith("!" + release.removesuffix("{version}")):  # the others are tags of another kind
            made.left.append(f"{file}: the tag filter {glob!r} is not taken over: prereleases move no tags")
    default = tag_patterns(release)
    patterns = TagPatterns(
        release,
        found.get("test", (default.test, ""))[0],
        found.get("rebuild", (default.rebuild, ""))[0],
    )
    if len(set(patterns.by_kind().values())) < 3:
        patterns = default
    for kind, pattern in patterns.by_kind().items():
        was_seen = found.get(kind.value, ("", ""))
        made.set(("tags", kind.value), pattern, was_seen[1] if was_seen[0] == pattern else "")
    return patterns


def _kind(prefix: str, published: Published) -> str:
    """Return what a tag with this prefix starts: test, rebuild or release."""
    if "test" in prefix.lower() or _is_test(published):
        return "test"
    only_images = published.builds and not published.uploads and not published.releases
    if only_images and re.search(r"rebuild|docker|image|container", prefix.lower()):
        return "rebuild"
    return "release"


def _is_test(published: Published) -> bool:
    """Return whether a workflow only makes test releases."""
    urls = {upload.url for upload in published.uploads}
    return bool(urls) and urls <= {TEST_PYPI} and not published.releases


# Destinations


def _set_indexes(made: Draft, name: str, published: Sequence[Published]) -> None:
    uploads = [upload for one in published for upload in one.uploads]
    for block, default, variable in (
        ("index", PYPI, "PYPI_TOKEN"),
        ("test_index", TEST_PYPI, "TEST_PYPI_TOKEN"),
    ):
        is_test = block == "test_index"
        here = [upload for upload in uploads if (upload.url == TEST_PYPI) is is_test]
        urls = list(dict.fromkeys(upload.url for upload in here))
        secrets = list(dict.fromkeys(upload.secret for upload in here if upload.secret))
        for upload in here:
            if upload.url != urls[0]:
                made.left.append(f"{upload.place}: {upload.url or 'another index'}: a project has one index")
            elif upload.secret is not None and upload.secret != secrets[0]:
                made.left.append(f"{upload.place}: {upload.secret}: an index has one token")
            elif upload.secret is None and upload.trusted and not is_test:
                made.left.append(
                    f"{upload.place}: PyPI trusts the workflow's identity. A release in a job has it (index: "
                    f"{{trusted_publishing: true}}); elsewhere create an API token for {name} at "
                    f"https://pypi.org/manage/account/token/ and set {variable}"
                )
        if here and urls[0] is None:
            made.questions.append(
                Question(
                    ("index", "upload_url"),
                    f"Which URL does {here[0].place} upload to?",
                    required=True,
                )
            )
        elif here and urls[0] != default and urls[0] is not None:
            made.set((block, "upload_url"), urls[0], here[0].place)
            made.set((block, "simple_url"), urls[0].removesuffix("legacy/"))
            made.comments[(block, "simple_url")] = "a guess: where pip reads from"
        made.set((block, "token_env"), secrets[0] if secrets else variable, here[0].place if secrets else "")
    if not uploads:
        made.left.append("no workflow uploads to a package index: stable releases go to PyPI")


def _set_github(made: Draft, seen: Seen, published: Sequence[Published]) -> None:
    remote = seen.remote
    if remote.github is None:
        made.questions.append(
            Question(
                ("github", "repository"),
                "Which repository on GitHub gets the releases (owner/name)?",
                required=True,
            )
        )
    else:
        made.set(("github", "repository"), remote.github)
    if remote.api_url is not None:
        made.set(("github", "api_url"), remote.api_url)
        made.comments[("github", "api_url")] = "GitHub Enterprise"
    releases = [release for one in published for release in one.releases]
    own = [release for release in releases if release.secret not in {None, "GITHUB_TOKEN"}]
    made.set(("github", "token_env"), own[0].secret if own else "GITHUB_TOKEN", own[0].place if own else "")
    pages = [release for release in releases if release.notes != "commits"]  # git-cliff makes only the text
    if pages and not own:
        made.left.append(
            f"{pages[0].place}: a workflow's GITHUB_TOKEN ends with it. Create a fine-grained token with "
            "`Contents: write` for this repository and set GITHUB_TOKEN"
        )
    notes = next((release for release in releases if release.notes is not None), None)
    if notes is not None:
        made.set(("github", "notes"), notes.notes, notes.place)
    files = {file: release.place for release in releases for file in release.files}
    attached = [file for file in files if file in seen.attached]
    if attached:
        made.set(("github", "assets"), attached, files[attached[0]])
    made.left += (
        f"{place}: {file} is not in the repository, and only its files can be attached"
        for file, place in files.items()
        if file not in seen.attached
    )
    made.left += (
        f"{release.place}: its text is from {release.notes_file}: see `github: notes:`"
        for release in releases
        if release.notes_file
    )


def _set_image(made: Draft, seen: Seen, published: Sequence[Published], patterns: TagPatterns) -> None:
    releasing = [one for one in published if not _is_test(one)]
    image = choose_image(
        [build for one in (releasing or published) for build in one.builds],
        [login for one in (*releasing, *published) for login in one.logins],
        owner=(seen.remote.github or "").partition("/")[0],
        name=seen.package.name,
        release_tag=patterns.release,
    )
    if image is None:
        if seen.dockerfiles:
            made.questions.append(
                Question(
                    ("image", "repository"),
                    f"Where does the image of {seen.dockerfiles[0]} go, such as docker.io/owner/name "
                    "(empty: no image)?",
                )
            )
            made.attributes["image"] = _image_of(seen.dockerfiles[0], seen)
        return
    _take_image(made, image, seen)


def _image_of(dockerfile: str, seen: Seen) -> dict[str, Any]:
    arguments = dict(seen.version_args.get(dockerfile, {}))
    return {"dockerfile": dockerfile} | ({"build_args": arguments} if arguments else {})


def _take_image(made: Draft, image: Image, seen: Seen) -> None:
    made.left += image.left
    if image.repository is None:
        made.questions.append(
            Question(
                ("image", "repository"),
                f"Where does {image.place} push to, such as docker.io/owner/name (empty: no image)?",
                suggestion=image.suggestion,
            )
        )
    else:
        made.set(("image", "repository"), image.repository, image.place)
    made.set(
        ("image", "dockerfile"), image.dockerfile, "" if image.dockerfile == "Dockerfile" else image.place
    )
    if image.context != ".":
        made.set(("image", "context"), image.context, image.place)
    made.set(("image", "platforms"), list(image.platforms), image.platforms_from)
    arguments = {**seen.version_args.get(image.dockerfile, {}), **image.build_args}
    if arguments:
        made.set(("image", "build_args"), arguments, image.place if image.build_args else image.dockerfile)
    if image.build_contexts:
        made.set(("image", "build_contexts"), dict(image.build_contexts), image.place)
    if image.provenance is False:
        made.set(("image", "provenance"), False)
    made.set(
        ("image", "username_env"), image.username or "DOCKER_USERNAME", image.login if image.username else ""
    )
    made.set(("image", "token_env"), image.secret or "DOCKER_TOKEN", image.login if image.secret else "")
    if image.dockerfile not in seen.dockerfiles:
        made.left.append(f"{image.place}: {image.dockerfile} is not in this checkout")


def answered(made: Draft, answers: Mapping[tuple[str, ...], str]) -> Draft:
    """Put the answers to a draft's questions into it; an image without a repository is left out.

    Raises ValueError naming a required question that has no answer.
    """
    for question in made.questions:
        answer = answers.get(question.key, "").strip()
        if answer:
            made.set(question.key, answer)
        elif question.required:
            raise ValueError(question.text)
    if not made.attributes.get("image", {}).get("repository"):
        made.attributes.pop("image", None)
    upload_url = made.attributes.get("index", {}).get("upload_url")
    if upload_url is not None and "simple_url" not in made.attributes["index"]:
        made.set(("index", "simple_url"), upload_url)
        made.comments[("index", "simple_url")] = "a guess: where pip reads from"
    return made
