"""Lay out the packages as an import path sees them: ``TARGET/perdure/dsl -> ../../dsl`` and so on.

The directories at the root of the checkout are mapped to ``perdure.*`` by ``package-dir``. An editable
install does that with an import hook, which static tools (mypy, import-linter) cannot see; this tree of
relative links gives them the same names without building or copying anything.

Usage: ``python .ci/link_tree.py [TARGET]`` (default ``.typing``), then put TARGET on MYPYPATH or PYTHONPATH.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(target: Path) -> None:
    """Replace ``target`` by a fresh tree that follows ``[tool.setuptools.package-dir]``."""
    target = target.resolve()
    shutil.rmtree(target, ignore_errors=True)
    for source, link in _links(target):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(source, link.parent))


def _links(target: Path) -> list[tuple[Path, Path]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    directories: dict[str, str] = settings["tool"]["setuptools"]["package-dir"]
    mapped = {target.joinpath(*name.split(".")): ROOT / directory for name, directory in directories.items()}
    holders = {package for package in mapped if any(package in other.parents for other in mapped)}
    links = {package: source for package, source in mapped.items() if package not in holders}
    for holder in holders:
        children = (child for child in mapped[holder].iterdir() if child.name != "__pycache__")
        links |= {holder / child.name: child for child in children}
    return [(source, link) for link, source in sorted(links.items())]


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".typing")
