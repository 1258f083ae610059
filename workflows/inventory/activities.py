"""What the inventory workflow does to the file system. Every activity may run twice and does no harm."""

from __future__ import annotations

import hashlib
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import perdure

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})


@perdure.activity("ListFiles")
def list_files(root: str, manifest: str, exclude: list[str], log: str | None) -> dict[str, Any]:
    """The regular files below ``root``, sorted, as paths relative to it; links are not followed.

    Leaves out ``__pycache__``, what a pattern of ``exclude`` matches, and what this workflow writes.
    """
    base, target = Path(root).resolve(), Path(manifest).resolve()
    if not base.is_dir():
        raise perdure.ActivityError(f"{root} is not a directory", type="NotADirectory", retryable=False)
    own = {target} if log is None else {target, Path(log).resolve()}
    files: list[str] = []
    for folder, folders, names in os.walk(base, onerror=_refuse):
        here = Path(folder)
        folders[:] = [name for name in folders if not _excluded(here / name, base, exclude)]
        regular = (path for path in (here / name for name in names) if _is_regular(path) and path not in own)
        files += (_relative(path, base) for path in regular if not _excluded(path, base, exclude))
    return {"root": str(base), "manifest": str(target), "files": sorted(files)}


@perdure.activity("Sha256")
def sha256(root: str, path: str, log: str | None) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with (Path(root) / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if log is not None:
        _append_line(Path(log), path.translate(_ESCAPES))
    return digest


@perdure.activity("WriteManifest")
def write_manifest(
    manifest: str, offset: int, paths: list[str], digests: list[str], last: bool, ctx: perdure.Context
) -> int:
    """Write a page of lines that ``sha256sum -c`` reads; returns where the next page begins.

    Pages go to a file beside the manifest, which the last page renames: there is never half a manifest.
    """
    text = "".join(map(_line, paths, digests)).encode()
    target = Path(manifest)
    partial = target.with_name(
        f".{target.name}.{hashlib.sha256(ctx.instance_id.encode()).hexdigest()[:12]}.part"
    )
    end = offset + len(text)
    if offset and not partial.exists():
        if last and target.is_file() and target.stat().st_size == end:
            return end  # an earlier run of this page got as far as the renaming
        raise perdure.ActivityError(f"{partial} is gone", type="PartialManifestLost", retryable=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("r+b" if offset else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if last:
        partial.replace(target)
    return end


def _refuse(error: OSError) -> None:
    raise error


def _excluded(path: Path, base: Path, patterns: list[str]) -> bool:
    relative = str(path.relative_to(base))
    return path.name == "__pycache__" or any(
        fnmatchcase(text, pattern) for pattern in patterns for text in (relative, path.name)
    )


def _is_regular(path: Path) -> bool:
    """Whether it is a file to hash: no link, pipe or socket, and no page of another run."""
    partial = path.name.startswith(".") and path.name.endswith(".part")
    return path.is_file() and not path.is_symlink() and not partial


def _relative(path: Path, base: Path) -> str:
    relative = str(path.relative_to(base))
    try:
        relative.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
        message = f"the name {shown} is not UTF-8; rename the file or exclude it"
        raise perdure.ActivityError(message, type="BadName", retryable=False) from None
    return relative


def _line(path: str, digest: str) -> str:
    """A line as ``sha256sum`` writes it: it begins with a backslash when the name had to be escaped."""
    escaped = path.translate(_ESCAPES)
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n"


def _append_line(file: Path, line: str) -> None:
    """Add a line in one write, which no other writer can split."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)
