"""Digests of files, remembered as long as a file stays the same, whatever its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcellflow.provenance import digest_file

if TYPE_CHECKING:
    from pathlib import Path

Identity = tuple[int, int, int]


def identify(path: Path) -> Identity:
    """Identify an existing file, whose digest is remembered: inode, bytes, last change in nanoseconds."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


class DigestCache:
    """Digests of files, computed again only when a file has changed on disk."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Identity], str] = {}

    def digest(self, path: Path) -> str:
        """Give the sha256 of an existing file or folder in hexadecimal."""
        if path.is_dir():
            return digest_file(path)
        key = path.stat().st_dev, identify(path)
        if key not in self._known:
            self._known[key] = digest_file(path)
        return self._known[key]
