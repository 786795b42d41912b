"""Building and checking, with real backends and packages that are each broken in a way of their own."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from packaging.version import Version

from release_assets.distributions import archives, inspection
from release_assets.distributions.archives import unpack_sdist
from release_assets.distributions.build import build
from release_assets.distributions.comparison import same_contents
from release_assets.distributions.inspection import Checked, check
from release_assets.distributions.metadata import read_metadata
from release_assets.errors import PermanentError
from release_assets.project import PackageIndex, TestPackageIndex
from release_assets.rules.declared_version import check_version, name_in_pyproject, version_in_pyproject
from release_assets_tests.paths import PACKAGES

EPOCH = 1767225600
PYPI = PackageIndex()
OTHER = PackageIndex(upload_url="https://pypi.example/", simple_url="https://pypi.example/simple/")
SECRET = "pypi-scrtscrtscrtscrt"


class Workshop:
    """Builds in a folder of its own, and keeps what was said and how long it took."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.said: list[str] = []
        self.seconds: dict[str, float] = {}

    def source(self, case: str) -> Path:
        """A copy of a package, since backends write into the source."""
        return Path(shutil.copytree(PACKAGES / case, self.folder / case))

    def build(self, kind: Literal["sdist", "wheel"], source: Path) -> Path:
        scratch = self.folder / f"{kind}-{len(list(self.folder.iterdir()))}"
        scratch.mkdir()
        return build(
            kind,
            source,
            readable=[],
            scratch=scratch,
            cache=self.cache,
            epoch=EPOCH,
            log=self.said.append,
            seconds=self.seconds,
        )

    def refusal(self, kind: Literal["sdist", "wheel"], source: Path) -> PermanentError:
        with pytest.raises(PermanentError) as caught:
            self.build(kind, source)
        return caught.value


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache for the whole session."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def workshop(tmp_path: Path, cache: Path) -> Workshop:
    (tmp_path / "workshop").mkdir()
    return Workshop(tmp_path / "workshop", cache)


def checked(
    file: Path, *, version: str = "1.2.3", name: str | None = None, index: PackageIndex = PYPI
) -> Checked:
    return check(file, name=name, version=Version(version), tag=f"v{version}", index=index, log=print)


def refused(
    file: Path, *, version: str = "1.2.3", name: str | None = None, index: PackageIndex = PYPI
) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        checked(file, version=version, name=name, index=index)
    return caught.value


def tar(path: Path, files: Mapping[str, bytes], *links: tarfile.TarInfo, mtime: int = 0) -> Path:
    """A .tar.gz of files, and of members that are none."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            archive.addfile(member, io.BytesIO(content))
        for link in links:
            archive.addfile(link)
    return path


def wheel(path: Path, files: Mapping[str, bytes], year: int = 2026) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


# Building


def test_a_dynamic_version_is_proved_by_what_was_built(workshop: Workshop) -> None:
    source = workshop.source("dynamic-version")
    pyproject = (source / "pyproject.toml").read_text()
    assert version_in_pyproject(pyproject) is None
    assert name_in_pyproject(pyproject) == "dynamic-version"

    sdist = workshop.build("sdist", source)
    assert sdist.name == "dynamic_version-1.2.3.tar.gz"
    assert checked(sdist, name="dynamic-version").name == "dynamic-version"
    assert any(line.startswith("* Building sdist") for line in workshop.said)
    assert workshop.seconds["environment"] > 0
    assert workshop.seconds["build"] > 0
    with tarfile.open(sdist) as archive:
        assert {member.mtime for member in archive} == {EPOCH}

    (workshop.folder / "unpacked").mkdir()
    made = workshop.build("wheel", unpack_sdist(sdist, workshop.folder / "unpacked"))
    assert made.name == "dynamic_version-1.2.3-py3-none-any.whl"
    assert checked(made, name="Dynamic_Version").name == "dynamic-version"

    for file in (sdist, made):
        error = refused(file, version="1.2.4")
        assert error.problem == (f"tag v1.2.4 is version 1.2.4, but the metadata in {file.name} says '1.2.3'")
        assert error.remedy == (
            "Make the project build version 1.2.4 and tag that commit. Nothing has been published."
        )


def test_a_package_without_a_name_in_pyproject_has_one_when_it_is_built(workshop: Workshop) -> None:
    source = workshop.source("no-name")
    assert name_in_pyproject((source / "pyproject.toml").read_text()) is None
    sdist = workshop.build("sdist", source)
    assert checked(sdist).name == "No.Name"
    assert checked(sdist, name="no-name").name == "No.Name"
    error = refused(sdist, name="another")
    assert error.problem == f"{sdist.name} is named 'No.Name' in its metadata, but the project is 'another'"
    assert "package: name in the project's defs.yaml" in error.remedy


def test_a_readme_that_the_index_would_refuse_is_refused_before(workshop: Workshop) -> None:
    sdist = workshop.build("sdist", workshop.source("bad-readme"))
    error = refused(sdist)
    assert error.problem.startswith(f"twine check rejects {sdist.name}:\n")
    assert "`long_description` has syntax errors in markup" in error.problem
    assert error.remedy == (
        "Correct the package's metadata or README, then tag that commit. Nothing has been published."
    )


def test_a_wheel_is_built_from_the_sdist_so_that_what_the_sdist_lacks_is_found(workshop: Workshop) -> None:
    sdist = workshop.build("sdist", workshop.source("sdist-that-lacks-a-module"))
    (workshop.folder / "unpacked").mkdir()
    error = workshop.refusal("wheel", unpack_sdist(sdist, workshop.folder / "unpacked"))
    assert error.problem.startswith("building the wheel failed with exit status 1:\n")
    assert "ModuleNotFoundError: No module named '_version'" in error.problem
    assert error.remedy.startswith("Run `python -m build --wheel` in a clean checkout")


def test_a_backend_that_fails_is_quoted(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("bad-backend"))
    assert error.problem.startswith("building the sdist failed with exit status 1:\n")
    assert "RuntimeError: the flux capacitor is missing" in error.problem


def test_a_backend_that_is_not_there_is_named(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("missing-backend"))
    assert "no_such_backend" in error.problem


def test_a_backend_that_makes_nothing_is_refused(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("backend-that-makes-nothing"))
    assert error.problem == "the build backend made 0 files instead of one sdist: none"


def test_a_backend_that_makes_two_files_is_refused(workshop: Workshop) -> None:
    error = workshop.refusal("sdist", workshop.source("backend-that-makes-two"))
    assert error.problem == (
        "the build backend made 2 files instead of one sdist: notes.txt, two-1.2.3.tar.gz"
    )
    assert error.remedy == "Make the backend leave one file in its output folder."


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (
            "output-that-is-a-link",
            "the build backend made sample-1.2.3.tar.gz, which is not an sdist",
        ),
        (
            "output-folder-that-is-a-link",
            "the build backend made 0 files instead of one sdist: none",
        ),
        (
            "output-that-is-a-pipe",
            "the build backend made sample-1.2.3.tar.gz, which is not an sdist",
        ),
        (
            "output-with-a-hostile-name",
            r"the build backend made 'sample-1.2.3\n![x](http:)\x1b[2J|.tar.gz', which is not an sdist",
        ),
    ],
)
def test_what_a_backend_leaves_is_a_file_of_its_own(workshop: Workshop, case: str, problem: str) -> None:
    """We read it outside the backend's walls: a link would make us publish what belongs to others."""
    others = workshop.folder / "others"
    others.mkdir()
    tar(others / "sample-1.2.3.tar.gz", {"sample-1.2.3/PKG-INFO": METADATA})
    source = workshop.source(case)
    is_folder = case == "output-folder-that-is-a-link"
    (source / "target").write_text(str(others if is_folder else others / "sample-1.2.3.tar.gz"))
    assert workshop.refusal("sdist", source).problem == problem


@pytest.mark.parametrize(
    ("bomb", "problem"),
    [
        ("size", "unpacks to more than 1000000 bytes"),
        ("members", "holds more than 10000 files"),
        ("header", "a header of 67108864 bytes"),
    ],
)
def test_a_bomb_is_refused_before_anybody_unpacks_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, bomb: str, problem: str
) -> None:
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 1_000_000)
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10_000)
    source = workshop.source("bombs")
    (source / "bomb").write_text(bomb)
    sdist = workshop.build("sdist", source)
    assert problem in refused(sdist).problem
    with pytest.raises(PermanentError, match=problem):
        same_contents(sdist, sdist)
    (workshop.folder / "unpacked").mkdir()
    with pytest.raises(PermanentError, match=problem):
        unpack_sdist(sdist, workshop.folder / "unpacked")


def test_a_wheel_that_is_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sample-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sample-1.2.3.dist-info/METADATA", METADATA)
        archive.writestr("zeros", bytes(2_000_000))
    assert file.stat().st_size < 10_000
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 1_000_000)
    assert "unpacks to more than 1000000 bytes" in refused(file).problem
    with pytest.raises(PermanentError, match="unpacks to more than"):
        same_contents(file, file)


def test_last_words_of_megabytes_are_cut(workshop: Workshop) -> None:
    source = workshop.source("bad-backend")
    (source / "backend.py").write_text("print('x' * 3_000_000)\nraise RuntimeError('the end')\n")
    error = workshop.refusal("sdist", source)
    assert len(error.problem) < 11_000
    assert "RuntimeError: the end" in error.problem


@pytest.mark.parametrize(
    ("file", "name", "problem"),
    [
        ("sample-1.2.3.tar.gz", "../../other", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "sample`", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "<b>sample", "which is not a package name"),
        ("sample-1.2.3.tar.gz", "other", "is named after sample 1.2.3, but its metadata says other 1.2.3"),
        ("sample-1.2.4.tar.gz", "sample", "is named after sample 1.2.4, but its metadata says sample 1.2.3"),
        ("sample-1.2.3-any.whl", "sample", "Invalid wheel filename"),
        ("other-1.2.3-py3-none-any.whl", "sample", "is named after other 1.2.3"),
    ],
)
def test_a_name_is_a_name_and_the_files_too(tmp_path: Path, file: str, name: str, problem: str) -> None:
    """The metadata's name becomes part of URLs and of the release's notes."""
    metadata = METADATA.replace(b"sample", name.encode())
    inside = {"sample-1.2.3.dist-info/METADATA" if file.endswith("l") else "sample-1.2.3/PKG-INFO": metadata}
    made = (wheel if file.endswith(".whl") else tar)(tmp_path / file, inside)
    assert problem in refused(made).problem


def test_a_folder_without_a_project_is_refused(workshop: Workshop) -> None:
    (workshop.folder / "empty").mkdir()
    error = workshop.refusal("sdist", workshop.folder / "empty")
    assert "does not appear to be a Python project" in error.problem


def test_a_backend_sees_no_secret_and_nothing_of_our_home(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pypirc").write_text(SECRET)
    workshop.build("sdist", workshop.source("curious-backend"))
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in workshop.said
    assert "in HOME: []" in workshop.said
    assert SECRET not in "\n".join(workshop.said)


def test_a_version_that_does_not_match_is_found_without_building() -> None:
    declared = version_in_pyproject((PACKAGES / "version-mismatch" / "pyproject.toml").read_text())
    assert declared is not None
    with pytest.raises(PermanentError) as caught:
        check_version(
            declared, place="pyproject.toml: [project] version", tag="v1.2.3", expected=Version("1.2.3")
        )
    assert caught.value.problem == (
        "tag v1.2.3 is version 1.2.3, but pyproject.toml: [project] version is '1.2.2'"
    )


# Checking what was built

METADATA = b"Metadata-Version: 2.1\nName: sample\nVersion: 1.2.3\n"


def sample(tmp_path: Path) -> Path:
    return tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {
            "sample-1.2.3/PKG-INFO": METADATA + b"Description-Content-Type: text/plain\n\nA sample.\n",
            "sample-1.2.3/sample.py": b"",
        },
    )


def test_a_file_larger_than_the_index_accepts_is_refused(tmp_path: Path) -> None:
    file = sample(tmp_path)
    size = file.stat().st_size
    small = OTHER.model_copy(update={"upload_limit": size - 1})
    error = refused(file, index=small)
    assert error.problem == f"sample-1.2.3.tar.gz has {size} bytes; pypi.example accepts {size - 1} bytes"
    assert "set upload_limit of that index in the project's defs.yaml" in error.remedy
    checked(file, index=OTHER.model_copy(update={"upload_limit": size}))


def test_pypis_limit_is_pypis_only() -> None:
    mebibyte = 1024 * 1024
    assert PYPI.largest_file == TestPackageIndex().largest_file == 100 * mebibyte
    assert OTHER.largest_file is None
    raised = PackageIndex.model_validate({"upload_limit": "300 MiB"})
    assert raised.largest_file == 300 * mebibyte


def test_a_file_of_pypis_limit_is_accepted(tmp_path: Path) -> None:
    """100 MiB are 104,857,600 bytes, and not 100,000,000."""
    file = sample(tmp_path)
    with file.open("ab") as stream:
        stream.truncate(100 * 1024 * 1024)  # zeros after the archive
    assert file.stat().st_size == PYPI.largest_file
    inspection._check_size(file, PYPI)
    with file.open("ab") as stream:
        stream.write(b"\0")
    assert "has 104857601 bytes; PyPI accepts 104857600 bytes" in refused(file).problem
    inspection._check_size(file, OTHER)


def test_a_package_without_readme_passes_with_warnings(workshop: Workshop) -> None:
    """PyPI accepts it."""
    sdist = workshop.build("sdist", workshop.source("no-readme"))
    expected = (
        "`long_description_content_type` missing. defaulting to `text/x-rst`.",
        "`long_description` missing.",
    )
    assert checked(sdist, name="no-readme") == Checked("no-readme", expected)
    assert checked(sample(workshop.folder)).warnings == ()


def test_a_compiled_wheel_is_refused_for_pypi_only(workshop: Workshop) -> None:
    source = workshop.source("compiled")
    assert checked(workshop.build("sdist", source)).warnings == ()
    made = workshop.build("wheel", source)
    platform = made.stem.rpartition("-")[2]
    error = refused(made)
    assert error.problem == (
        f"PyPI rejects wheels for {platform}: {made.name} has compiled code that is built for this machine"
    )
    assert "package: {wheels: [{zig: {}}]}" in error.remedy
    assert "set `index` in the project's defs.yaml to one that accepts this wheel" in error.remedy
    assert refused(made, index=TestPackageIndex()).problem.startswith("TestPyPI rejects wheels for ")
    assert checked(made, index=OTHER).name == "compiled"


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (b"Name: sample\n", "says ''"),
        (b"Name: sample\nVersion: unknown\n", "says 'unknown'"),
        (b"Name: sample\nVersion: 1.2.3+local\n", "says '1.2.3+local'"),
        (b"Version: 1.2.3\n", "is named '' in its metadata"),
        (b"\xff\xfe\x00", "says ''"),
        (b"", "says ''"),
    ],
)
def test_metadata_without_name_or_version_is_refused(tmp_path: Path, metadata: bytes, problem: str) -> None:
    sdist = tar(tmp_path / "sample-1.2.3.tar.gz", {"sample-1.2.3/PKG-INFO": metadata})
    assert problem in refused(sdist).problem
    made = wheel(tmp_path / "sample-1.2.3-py3-none-any.whl", {"sample-1.2.3.dist-info/METADATA": metadata})
    assert problem in refused(made).problem


def test_a_version_may_be_written_in_another_way(tmp_path: Path) -> None:
    file = tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {
            "sample-1.2.3/PKG-INFO": METADATA.replace(b"1.2.3", b"1.2.3.0")
            + b"Description-Content-Type: text/plain\n\nA sample.\n",
            "sample-1.2.3/sample.py": b"",  # twine uses the path that all members share as the top
        },
    )
    assert checked(file).name == "sample"


def test_the_metadata_of_the_package_itself_is_read(tmp_path: Path) -> None:
    other = METADATA.replace(b"sample", b"vendored")
    sdist = tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {"sample-1.2.3/vendor/PKG-INFO": other, "PKG-INFO": other, "sample-1.2.3/PKG-INFO": METADATA},
    )
    made = wheel(
        tmp_path / "sample-1.2.3-py3-none-any.whl",
        {
            "sample/vendored-1.0.dist-info/METADATA": other,
            "sample-1.2.3.dist-info/METADATA": METADATA,
        },
    )
    assert [read_metadata(file)["name"] for file in (sdist, made)] == ["sample", "sample"]


@pytest.mark.parametrize("name", ["sample-1.2.3.tar.gz", "sample-1.2.3-py3-none-any.whl", "notes.txt"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00", b"PK\x05\x06"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PermanentError, match=rf"^{name} cannot be read: "):
        read_metadata(tmp_path / name)


def test_a_wheel_that_is_damaged_or_packed_in_another_way_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s-1.dist-info/METADATA", METADATA * 50)
    sound = file.read_bytes()
    entry = sound.index(b"PK\x01\x02")  # of the central directory
    changes = {
        "damaged": dict.fromkeys(range(55, 70), 255),
        "encrypted": {6: 1, entry + 8: 1},
        "unknown method": {8: 99, entry + 10: 99},
    }
    for change in changes.values():
        content = bytearray(sound)
        for at, value in change.items():
            content[at] = value
        file.write_bytes(content)
        with pytest.raises(PermanentError, match="cannot be read: "):
            read_metadata(file)


def test_an_archive_without_metadata_is_named(tmp_path: Path) -> None:
    for file in (tar(tmp_path / "a-1.tar.gz", {"a-1/x": b""}), wheel(tmp_path / "a.whl", {"x": b""})):
        with pytest.raises(PermanentError) as caught:
            read_metadata(file)
        assert caught.value.problem == f"{file.name} holds no core metadata"


# Unpacking an sdist


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_an_sdist_is_unpacked_to_its_top_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/PKG-INFO": METADATA, "s-1/pkg/a.py": b"a"})
    top = unpack_sdist(file, tmp_path / "out")
    assert top == tmp_path / "out" / "s-1"
    assert (top / "pkg" / "a.py").read_bytes() == b"a"


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside", tarfile.REGTYPE),
        member("s-1/../../outside", tarfile.REGTYPE),
        member("s-1/link", tarfile.SYMTYPE, "../../outside"),
        member("s-1/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("s-1/link", tarfile.LNKTYPE, "../outside"),
        member("s-1/device", tarfile.CHRTYPE),
        member("s-1/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.linkname or info.type!r}",
)
def test_nothing_is_unpacked_outside_or_as_a_device(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/PKG-INFO": METADATA}, bad)
    with pytest.raises(PermanentError, match=r"^s-1\.tar\.gz cannot be unpacked: "):
        unpack_sdist(file, tmp_path / "out")
    assert (tmp_path / "outside").read_text() == "untouched"


def test_a_link_that_leads_out_in_two_steps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    steps = [
        member("s-1/a", tarfile.SYMTYPE, "."),
        member("s-1/a/../../outside", tarfile.REGTYPE),
    ]
    with pytest.raises(PermanentError, match="cannot be unpacked"):
        unpack_sdist(tar(tmp_path / "s-1.tar.gz", {}, *steps), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("names", [["a/x", "b/x"], ["x"], []])
def test_an_sdist_has_one_top_folder(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", dict.fromkeys(names, b""))
    with pytest.raises(PermanentError, match=r"^s-1\.tar\.gz does not hold one top folder"):
        unpack_sdist(file, tmp_path / "out")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 10_000)
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/a": bytes(6_000), "s-1/b": bytes(6_000)})
    with pytest.raises(PermanentError, match=r"unpacks to more than 10000 bytes"):
        unpack_sdist(file, tmp_path / "out")
    assert not (tmp_path / "out" / "s-1" / "b").exists()


# Comparing


def test_sdists_with_other_times_hold_the_same(tmp_path: Path) -> None:
    files = {"s-1/PKG-INFO": METADATA, "s-1/a.py": b"a"}
    one = tar(tmp_path / "1.tar.gz", files, mtime=1)
    again = tar(tmp_path / "2.tar.gz", dict(reversed(files.items())), mtime=2)
    assert one.read_bytes() != again.read_bytes()
    assert same_contents(one, again)
    assert not same_contents(one, tar(tmp_path / "3.tar.gz", {**files, "s-1/a.py": b"b"}))
    assert not same_contents(one, tar(tmp_path / "4.tar.gz", {**files, "s-1/b.py": b""}))


def test_wheels_with_other_times_hold_the_same(tmp_path: Path) -> None:
    files = {"a.py": b"a", "a-1.dist-info/METADATA": METADATA}
    one = wheel(tmp_path / "1.whl", files)
    assert same_contents(one, wheel(tmp_path / "2.whl", files, year=2025))
    assert not same_contents(one, wheel(tmp_path / "3.whl", {**files, "a.py": b"b"}))
