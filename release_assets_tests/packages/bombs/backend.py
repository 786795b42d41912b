"""A build backend that makes the bomb that the file `bomb` names, of a size that a test can wait for."""

import gzip
import io
import tarfile
from pathlib import Path

STEM = "sample-1.2.3"
MEBIBYTE = 1024 * 1024


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    name = f"{STEM}.tar.gz"
    with gzip.open(Path(sdist_directory, name), "wb", 1) as stream:
        if Path("bomb").read_text() == "header":
            header = tarfile.TarInfo("long")
            header.type, header.size = tarfile.XHDTYPE, 64 * MEBIBYTE  # its length is all read at once
            stream.write(header.tobuf())
            for _ in range(64):
                stream.write(bytes(MEBIBYTE))
            return name
        with tarfile.open(fileobj=stream, mode="w") as archive:
            metadata = b"Metadata-Version: 2.1\nName: sample\nVersion: 1.2.3\n"
            member = tarfile.TarInfo(f"{STEM}/PKG-INFO")
            member.size = len(metadata)
            archive.addfile(member, io.BytesIO(metadata))
            if Path("bomb").read_text() == "size":
                member = tarfile.TarInfo(f"{STEM}/zeros")
                member.size = 64 * MEBIBYTE
                archive.addfile(member, io.BytesIO(bytes(member.size)))
            else:
                for number in range(20_000):
                    archive.addfile(tarfile.TarInfo(f"{STEM}/{number}"))
    return name
