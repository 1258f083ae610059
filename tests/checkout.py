"""The files of this checkout as a clone would have them, for tests that need a copy to build or play in."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tracked(directory: str = ".") -> list[Path]:
    """The files below ``directory`` that are in version control, or would be once added."""
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", directory]
    answer = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def copy_to(target: Path) -> None:
    """Copy the tracked files, with their modes, below ``target``."""
    for file in tracked():
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
        copy.chmod(file.stat().st_mode)
