"""Platform wheels: what is awaited, what is true of a file, and which modules are imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
from packaging.version import Version

from release_assets.distributions.wheels.adopted import awaited, wait_for_wheels, wheels_in_folder
from release_assets.distributions.wheels.containers import NETWORK, _engine_of, options
from release_assets.distributions.wheels.inspection import inspect
from release_assets.distributions.wheels.tools import wheels_in
from release_assets.distributions.wheels.trial import modules_of
from release_assets.errors import PermanentError, TransientError
from release_assets.project import CibuildwheelWheels
from release_assets_tests.compiled_package import wheel

VERSION = Version("1.0")
MAC, WINDOWS = "a-1.0-cp311-cp311-macosx_11_0_arm64.whl", "a-1.0-cp311-cp311-win_amd64.whl"
PATTERNS = ["*-macosx_*.whl", "*-win_amd64.whl"]


def test_each_pattern_stands_for_one_file_of_this_version() -> None:
    there = [MAC, MAC.replace("1.0", "0.9"), "SHA256SUMS"]
    found = awaited(PATTERNS, there, VERSION)
    assert (found.found, found.missing) == ({PATTERNS[0]: MAC}, [PATTERNS[1]])


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (["*.whl"], f"the pattern '*.whl' of adopted wheels matches 2 files: {MAC}, {WINDOWS}"),
        (["*-win_*.whl", "*-cp311-win*.whl"], f"match the same file: {WINDOWS}"),
    ],
)
def test_patterns_that_leave_the_number_open_are_refused(patterns: list[str], words: str) -> None:
    with pytest.raises(PermanentError) as caught:
        awaited(patterns, [MAC, WINDOWS], VERSION)
    assert words in caught.value.problem


def _named(name: str, folder: Path) -> Path:
    return folder / name


class Place:
    """A place that has more wheels at each look, and a clock that only moves while it is waited."""

    def __init__(self, *looks: list[str] | TransientError) -> None:
        self.looks = list(looks)
        self.now = 0.0
        self.said: list[str] = []

    def look(self) -> Mapping[str, Callable[[Path], Path]]:
        there = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(there, TransientError):
            raise there
        return {name: partial(_named, name) for name in there}

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> list[str]:
        copies = wait_for_wheels(
            PATTERNS,
            VERSION,
            self.look,
            where="the draft",
            seconds=seconds,
            say=self.said.append,
            sleep=self.sleep,
            clock=lambda: self.now,
        )
        return [copy(Path()).name for copy in copies]


def test_all_wheels_are_awaited_and_said_once() -> None:
    place = Place([], [WINDOWS], [WINDOWS], TransientError("GitHub failed", "Wait."), [WINDOWS, MAC])
    assert place.wait(3600) == [MAC, WINDOWS]
    assert place.said == [
        "2 of 2 wheels are not in the draft: *-macosx_*.whl, *-win_amd64.whl; waiting for 60 more minutes",
        "1 of 2 wheels are not in the draft: *-macosx_*.whl; waiting for 60 more minutes",
        "GitHub failed; waiting for 59 more minutes",
    ]


def test_the_wait_for_wheels_has_an_end() -> None:
    place = Place([WINDOWS])
    with pytest.raises(PermanentError) as caught:
        place.wait(600)
    assert caught.value.problem == ("1 of 2 wheels are not in the draft: *-macosx_*.whl, after 10 minutes")
    assert place.now == 600
    with pytest.raises(TransientError, match="GitHub failed"):
        Place(TransientError("GitHub failed", "Wait.")).wait(60)


def test_a_wheel_that_is_still_being_written_is_not_there(tmp_path: Path) -> None:
    assert wheels_in_folder(tmp_path / "none") == {}
    whole = wheel(tmp_path, "a", "1.0", "cp311-cp311-win_amd64")
    half = whole.with_name(MAC)
    half.write_bytes(whole.read_bytes()[:-100])
    found = wheels_in_folder(tmp_path)
    assert list(found) == [whole.name]
    (tmp_path / "copy").mkdir()
    assert found[whole.name](tmp_path / "copy").read_bytes() == whole.read_bytes()


def test_the_modules_of_a_wheel() -> None:
    assert modules_of([
        "pkg/__init__.py",
        "pkg/plain.py",
        "pkg/sub/__init__.py",
        "pkg/_speed.abi3.so",
        "pkg/sub/_fast.cpython-311-x86_64-linux-gnu.so",
        "pkg/sub/_bare.so",
        "pkg/libgreen.so",
        "pkg.libs/libblue-1a2b.so.1",
        "single.py",
        "pkg-1.0.data/platlib/_placed.abi3.so",
        "pkg-1.0.data/scripts/tool.py",
        "pkg-1.0.dist-info/METADATA",
    ]) == ["_placed", "pkg", "single", "pkg._speed", "pkg.sub._bare", "pkg.sub._fast"]  # fmt: skip


def test_record_and_tags_of_a_wheel_must_agree(tmp_path: Path) -> None:
    def problem(file: Path, platform: str | None = None) -> str:
        with pytest.raises(PermanentError) as caught:
            inspect(file, platform=platform, scratch=tmp_path, log=print)
        return caught.value.problem

    good = wheel(tmp_path, "a", "1.0", "cp311-cp311-win_amd64")
    assert inspect(good, platform=None, scratch=tmp_path, log=print) == {
        "tags": "cp311-cp311-win_amd64",
        "record": "4 entries agree",
    }
    assert "is not a wheel for linux/amd64: its tags are cp311-cp311-win_amd64" in problem(
        good, "linux/amd64"
    )
    renamed = Path(shutil.copy(good, tmp_path / WINDOWS.replace("cp311-win", "cp311-win32.win")))
    assert problem(renamed).endswith("has the tags cp311-cp311-win32 in its name, but not in its WHEEL file")
    changed = wheel(tmp_path, "a", "1.0", "cp312-cp312-win_amd64", spoilt={"a/__init__.py": b"evil"})
    assert "a/__init__.py didn't match RECORD" in problem(changed)
    added = wheel(tmp_path, "a", "1.0", "cp313-cp313-win_amd64", spoilt={"a/more.py": b"evil"})
    assert "a/more.py is not mentioned in RECORD" in problem(added)
    pure = wheel(tmp_path, "a", "1.0", "cp311-cp311-manylinux_2_17_x86_64")
    assert "auditwheel cannot inspect" in problem(pure, "linux/amd64")


def test_a_folder_of_wheels_holds_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="cibuildwheel made no wheel"):
        wheels_in(tmp_path / "none", "cibuildwheel")
    (tmp_path / "a-1.0-py3-none-any.whl").symlink_to("/etc/passwd")
    with pytest.raises(PermanentError, match="which is not a wheel"):
        wheels_in(tmp_path, "cibuildwheel")


def test_cibuildwheel_shows_its_containers_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NETWORK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYPI_TOKEN", "secret")
    source = CibuildwheelWheels(identifiers=["cp311-*", "cp312-*"], images={"manylinux": "local/many:1"})
    assert options(source, "linux/arm64", "l=1") == {
        "CIBW_CONTAINER_ENGINE": "docker; create_args: --label l=1; disable_host_mount: true",
        "CIBW_ENVIRONMENT_PASS_LINUX": "SOURCE_DATE_EPOCH",
        "CIBW_DEPENDENCY_VERSIONS": "pinned",
        "CIBW_AUDIT_COMMAND": "",
        "CIBW_TEST_ENVIRONMENT": "",
        "CIBW_BUILD": "cp311-* cp312-*",
        "CIBW_MANYLINUX_AARCH64_IMAGE": "local/many:1",
    }
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example/simple/")
    passed = options(CibuildwheelWheels(), "linux/arm64", "l=1")["CIBW_ENVIRONMENT_PASS_LINUX"]
    assert passed == "SOURCE_DATE_EPOCH PIP_INDEX_URL"
    assert "CIBW_BUILD" not in options(CibuildwheelWheels(), "linux/arm64", "l=1")


def test_the_way_to_the_engine_of_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    def way(host: str, **more: object) -> dict[str, str]:
        context = {"Name": "arm", "Endpoints": {"docker": {"Host": host}}, **more}
        return _engine_of(context, {"DOCKER_TLS_VERIFY": "1", "DOCKER_TOKEN": "secret"}).variables

    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert way("unix:///tmp/none.sock") == {"DOCKER_HOST": "unix:///tmp/none.sock"}
    assert way("ssh://arm.example") == {"DOCKER_HOST": "ssh://arm.example"}
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert way("ssh://arm.example") == {"DOCKER_HOST": "ssh://arm.example", "SSH_AUTH_SOCK": "/run/agent"}
    tls = {"TLSMaterial": {"docker": ["ca.pem"]}, "Storage": {"TLSPath": "/contexts/tls/1"}}
    assert way("tcp://arm.example:2376", **tls) == {
        "DOCKER_HOST": "tcp://arm.example:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": "/contexts/tls/1/docker",
    }
