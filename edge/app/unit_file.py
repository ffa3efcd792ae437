"""The file that a restart begins with: replaced as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path


def replace_file(file: Path, new: Path) -> Path:
    """Put what ``new`` says into ``file``; where the old one is kept. Raises OSError.

    After a power cut there is either the old one or the new one, whole.
    """
    # named by when it was written: two of one name are the same file
    since = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    kept = file.with_name(f"{file.name}.before-{since:%Y%m%dT%H%M%S.%fZ}")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(new.read_bytes())
            target.flush()
            _look_like(target.fileno(), file)
            os.fsync(target.fileno())
        shutil.copy2(file, kept)
        _sync(kept)
        written.rename(file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    _sync(file.parent)
    return kept


def put_back(file: Path, kept: Path) -> None:
    """Undo ``replace_file``. Raises OSError."""
    kept.rename(file)
    _sync(file.parent)


def _look_like(descriptor: int, file: Path) -> None:
    """The same may read it as before."""
    before = file.stat()
    os.fchmod(descriptor, before.st_mode & 0o7777)
    # only root can give a file away; anybody else is its owner already, or may not be here
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, before.st_uid, before.st_gid)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
