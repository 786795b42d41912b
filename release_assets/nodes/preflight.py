"""Before anything is built, and again before the first upload, every credential that is needed is tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from release_assets.destinations import cosign, package_index
from release_assets.destinations.package_index import attestations
from release_assets.destinations.package_index.trusted_publishing import identity_for
from release_assets.destinations.release_hosts import release_host
from release_assets.distributions.wheels.tools import check_installed
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.nodes.distribution import refuse_closed_release
from release_assets.nodes.image_step import login_variables, registry_of
from release_assets.nodes.release_check import Declared, Found
from release_assets.nodes.step import Step
from release_assets.notes.check import check_page
from release_assets.process import environment
from release_assets.project import GitHub, GitLab, Image, Package, PackageIndex, Project, Sign
from release_assets.rules.tags import Channel
from release_assets.secrets import read_secret

PREFLIGHT = Declared(
    "preflight",
    "Every token, permission and key that the rest of this run needs works now: tried with requests that "
    "change nothing, before anything is built.",
    blocks=True,
)

PACKAGE = {"pypi_publication", "github_release"}


class UnsetError(PermanentError):
    """Environment variables that a release needs are not set."""

    def __init__(self, variables: Sequence[str]) -> None:
        self.variables = tuple(variables)
        super().__init__(
            f"environment variables that are not set: {', '.join(variables)}",
            "Set them where Dagster's code server and runs can see them, then materialize again.",
        )


@dataclass(frozen=True)
class Need:
    """Something that a release needs, and how to find out whether it has it."""

    what: str
    secrets: tuple[str, ...]  # the variables whose values are secret
    ask: Callable[[], str]  # says what is well, or raises a ReleaseError; its requests change nothing
    has_others: bool = False  # one of several image repositories: an outage of one holds up none


def needs(project: Project, channel: Channel, *, index: bool = True, hub: bool = True) -> list[Need]:
    """Return what a release of this channel needs, in its order; `index` and GitHub (`hub`) on demand."""
    # No builder, no scanner: they may be on the images' machine only. `release-assets check` looks at them.
    target, image, page = project.index_for(channel), project.image, project.page
    found: list[Need] = []
    if index:
        name = "test_index" if channel is Channel.TEST else "index"
        # An identity is not a variable that somebody sets.
        reading = [target.read_token_env] if target.read_token_env is not None else []
        own = reading if target.trusted_publishing else target.secret_variables
        found.append(Need(name, tuple(own), lambda: _ask_index(target)))
    elif image is not None and target.read_token_env is not None:
        found.append(Need("index", (target.read_token_env,), lambda: _ask_page(target)))
    if index and project.package.wheels:
        found.append(Need("wheels", (), lambda: _ask_wheels(project.package)))
    adopted = project.package.adopted_wheels
    awaits_draft = adopted is not None and adopted.location == "draft"
    if hub and (channel is not Channel.TEST or awaits_draft):
        found.append(Need(page.host.lower(), (page.token_env,), lambda: _ask_host(page)))
    if image is not None:
        for place in image.places:
            what = "registry" if place is image else f"registry {place.repository}"
            ask = partial(_ask_registry, place)
            found.append(Need(what, (place.token_env,), ask, has_others=bool(image.mirrors)))
        if image.secrets:
            variables = tuple(image.secrets.values())
            found.append(Need("build secrets", variables, partial(_ask_secrets, variables)))
        if (sign := image.sign) is not None:
            secrets = (sign.key_env, sign.password_env) if sign.key_env else ()
            found.append(Need("signing", secrets, lambda: _ask_cosign(sign)))
    return found


def preflight(step: Step) -> Found:
    """Return what this run's first look at the destinations found: it asks what the run's nodes still need.

    A run of the images alone needs no token of the index, and neither does one that resumes where the index
    has the files. Raises TransientError where something cannot be asked now, and nothing is published yet.
    """
    nodes = {node.name.removeprefix(f"{step.project.project}__") for node in step.context.job_def.nodes}
    # Those that publish nothing.
    built_here = {"version", *step.project.package.distributions, "approval", "summary"}
    uploaded = False
    try:
        uploaded = "pypi_publication" in nodes and _is_uploaded(step)
        if not nodes - built_here or (uploaded and _is_public(step) and not nodes - built_here - PACKAGE):
            return Found("ok", "Nothing is left to publish in this run.")
        if uploads := "pypi_publication" in nodes and not uploaded:
            for node in step.project.package.distributions:
                refuse_closed_release(step, node)
        asked = check_destinations(step, index=uploads, hub=uploads or "github_release" in nodes)
    except PermanentError as error:
        return Found("error", error.problem, error.remedy)
    except TransientError as error:
        if not uploaded:
            raise
        return Found("warning", error.problem, "The index has the files: the release goes on.")
    return Found("ok", "\n".join(asked))


def check_destinations(step: Step, *, index: bool = True, hub: bool = True) -> list[str]:
    """Ask for everything that the release still needs; return what is well, a line each.

    Without the `index` where it has all files, and without GitHub (`hub`) where only images are made.
    Raises PermanentError that names everything that is wrong, at once; TransientError when the only trouble
    is that a destination cannot be asked now.
    """
    well: list[str] = []
    errors: list[ReleaseError] = []
    outages: list[ReleaseError] = []
    asked = needs(step.project, step.release.channel, index=index, hub=hub)
    for need in asked:
        try:
            well.append(need.ask())
        except ReleaseError as error:
            (outages if need.has_others and isinstance(error, TransientError) else errors).append(error)
        else:
            step.say(f"preflight: {well[-1]}")
    if len(outages) == sum(need.has_others for need in asked):
        errors += outages
    else:
        well += [f"left out for now: {error.problem}" for error in outages]
    reads = step.project.page.reads_the_repository
    if reads and step.release.channel is not Channel.TEST and index and hub:
        try:
            with step.folder() as scratch:
                check_page(step.project, step.release, step.mirror, step.remote_tags, scratch, step.output)
        except ReleaseError as error:
            errors.append(error)
    if errors:
        raise in_one(step.release.tag, errors)
    return well


def _is_uploaded(step: Step) -> bool:
    """Return True where the index serves all files that were built from the tag's commit."""
    made = [step.store.files(node) for node in step.project.package.distributions]
    kept = [found for files in made for found in files]
    if not all(made) or {found.commit for found in kept} != {step.release.commit}:
        return False
    index = step.project.index_for(step.release.channel)
    served = package_index.observe_index(index, kept[0].name)
    return all(one.filename in served and served[one.filename].sha256 == one.sha256 for one in kept)


def _is_public(step: Step) -> bool:
    """Return True where GitHub's release is recorded, or the release is a test, which has none."""
    return step.release.channel is Channel.TEST or step.is_materialized("github_release")


def in_one(tag: str, errors: Sequence[ReleaseError]) -> ReleaseError:
    """All that is in the way of a release as one error, each remedy once.

    It is permanent as soon as one of them is; else it waits for as long as the most patient one asks.
    """
    unset = [variable for error in errors if isinstance(error, UnsetError) for variable in error.variables]
    refused: list[PermanentError] = [UnsetError(tuple(dict.fromkeys(unset)))] if unset else []
    refused += [
        error for error in errors if isinstance(error, PermanentError) and not isinstance(error, UnsetError)
    ]
    unwell = [error for error in errors if isinstance(error, TransientError)]
    remedy = " ".join(dict.fromkeys(error.remedy for error in (*refused, *unwell)))
    if not refused:
        problems = "\n".join(f"- {error.problem}" for error in unwell)
        return TransientError(
            f"Not everything that {tag} needs can be asked now, and nothing was uploaded now:\n{problems}",
            remedy,
            wait=max(error.wait for error in unwell),
        )
    lines = [f"- {error.problem}" for error in refused]
    lines += [f"- could not be asked now: {error.problem}" for error in unwell]
    return PermanentError(
        f"{tag} cannot be released, and nothing was uploaded now:\n" + "\n".join(lines), remedy
    )


def _values(*variables: str) -> list[str]:
    """Return what the variables hold. Raises UnsetError that names all of them that are not set."""
    values = [read_secret(variable) for variable in variables]
    unset = [variable for variable, value in zip(variables, values, strict=True) if not value]
    if unset:
        raise UnsetError(unset)
    return values


def _ask_wheels(package: Package) -> str:
    sources = [name for source in package.wheels or () for name in ("zig", "cibuildwheel", "adopted")
               if getattr(source, name) is not None]  # fmt: skip
    for name in sources:
        check_installed(name)
    return f"what makes and checks wheels is installed ({', '.join(sources) or 'pure'})"


def _ask_index(index: PackageIndex) -> str:
    if index.trusted_publishing:
        if index.attestations:
            attestations.check_installed()
            identity_for(attestations.SIGSTORE, "Sigstore")
        return package_index.check_identity(index.upload_url)
    token, *_ = _values(index.token_env, *([index.read_token_env] if index.read_token_env else []))
    package_index.check_access(
        index.upload_url,
        token,
        token_env=index.token_env,
        username=package_index.username(index.username_env),
        certificate=index.client_certificate,
    )
    return f"{index.upload_url} takes the token in {index.token_env}"


def _ask_page(index: PackageIndex) -> str:
    """Ask whether the simple index may be read: images are built with the published files."""
    assert index.read_token_env is not None  # noqa: S101  (else nothing is needed)
    _values(index.read_token_env)
    package_index.username(index.read_username_env or index.username_env)
    return f"{index.simple_url} is read with {index.read_token_env}"


def _ask_host(page: GitHub | GitLab) -> str:
    (token,) = _values(page.token_env)
    release_host(page, token).check_access()
    return f"{page.repository} takes the token in {page.token_env}"


def _ask_registry(image: Image) -> str:
    login = _values(*login_variables(image))
    registry_of(image, (login[0], login[1]) if login else None).check_access()
    return f"{image.repository} may be pushed to"


def _ask_secrets(variables: Sequence[str]) -> str:
    _values(*variables)
    return f"the build secrets are set: {', '.join(variables)}"


def _ask_cosign(sign: Sign) -> str:
    # cosign is wanted here, and not only where images are signed: nothing else tells whether a key opens.
    if sign.key_env is None:
        cosign.check_installed(environment())
        return "cosign is installed"
    (pem,) = _values(sign.key_env)
    password = read_secret(sign.password_env)
    cosign.public_key(cosign.Key(pem, password, sign.key_env), environment(), secrets=())
    return f"cosign can use the key in {sign.key_env}"
