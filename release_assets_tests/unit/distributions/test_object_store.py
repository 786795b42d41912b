"""The store in S3, on a real server: nothing half-written is found, and what fails is told in words."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from upath import UPath

from release_assets.distributions.store import DistributionStore, open_root, sha256_of
from release_assets.errors import PermanentError, TransientError
from release_assets.process import environment

COMMIT = "c" * 40
WHEEL = "sample-1.0-py3-none-any.whl"
MEBIBYTE = 1024**2
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}

# A worker that is killed at its n-th request of a kind, with parts of the smallest size that S3 takes.
KILLED = """
import os, signal, sys
from pathlib import Path
import s3fs
from aiobotocore.client import AioBaseClient
from release_assets.distributions.store import DistributionStore, open_root
real, seen = AioBaseClient._make_api_call, []
async def call(self, name, *arguments, **named):
    seen.append(name)
    if f"{name} {seen.count(name)}" == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    return await real(self, name, *arguments, **named)
AioBaseClient._make_api_call = call
s3fs.S3FileSystem.default_block_size = 5 * 2**20
store = DistributionStore(open_root(sys.argv[1]), "sample", "v1.0")
store.put("wheel", Path(sys.argv[2]), commit="c" * 40, name="sample")
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on an S3 server of this machine; the variables name it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as variables:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            variables.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket/releases"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def wheel(folder: Path, size: int = 100) -> Path:
    file = folder / WHEEL
    file.write_bytes(b"bytes of a wheel" * (size // 16))
    return file


def test_what_was_put_into_s3_is_found_fetched_and_removed(bucket: str, tmp_path: Path) -> None:
    file = wheel(tmp_path)
    store = DistributionStore(open_root(bucket), "sample", "team/v1.0")
    assert store.find("wheel") is None
    kept = store.put("wheel", file, commit=COMMIT, name="sample")
    later = DistributionStore(UPath(bucket), "sample", "team/v1.0")
    assert later.find("wheel") == kept
    (tmp_path / "out").mkdir()
    assert sha256_of(later.fetch(kept, tmp_path / "out")) == kept.sha256
    assert store.remove() > kept.size
    assert later.find("wheel") is None
    assert store.remove() == 0


@pytest.mark.parametrize("request_", ["UploadPart 1", "CompleteMultipartUpload 1", "PutObject 1"])
def test_a_worker_killed_in_mid_write_leaves_nothing_half(bucket: str, tmp_path: Path, request_: str) -> None:
    """It dies while it sends the bytes, before S3 joins their parts, or before the record."""
    root = f"{bucket}/{request_.partition(' ')[0]}"
    file = wheel(tmp_path, 11 * MEBIBYTE)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, root, file, request_],
        env=environment(**CREDENTIALS, AWS_ENDPOINT_URL=os.environ["AWS_ENDPOINT_URL"]),
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    store = DistributionStore(open_root(root), "sample", "v1.0")
    assert store.find("wheel") is None
    kept = store.put("wheel", file, commit=COMMIT, name="sample")
    (tmp_path / "out").mkdir()
    assert sha256_of(store.fetch(kept, tmp_path / "out")) == sha256_of(file)


def test_a_bucket_that_is_missing_is_told_in_words(bucket: str, tmp_path: Path) -> None:
    store = DistributionStore(open_root(bucket.replace("bucket", "nothing")), "sample", "v1.0")
    with pytest.raises(PermanentError, match=r"the store s3://nothing/releases cannot be written: .*bucket"):
        store.put("wheel", wheel(tmp_path), commit=COMMIT, name="sample")


def test_a_server_that_is_down_is_told_in_words(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    store = DistributionStore(UPath(bucket, config_kwargs={"retries": {"max_attempts": 0}}), "sample", "v1.0")
    with pytest.raises(TransientError, match="the store s3://bucket/releases cannot be read: "):
        store.find("wheel")


def test_a_protocol_without_its_package_names_what_to_install() -> None:
    with pytest.raises(PermanentError, match=r"RELEASE_ASSETS_STORE='gs://bucket' cannot be used: .*gcsfs"):
        open_root("gs://bucket")
