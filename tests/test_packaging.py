from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.checkout import ROOT, copy_to, tracked

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
DIRECTORIES: dict[str, str] = SETTINGS["package-dir"]

# The wheel is built once: with --dist=loadgroup, as CI runs the slow ones, its tests stay on one worker.
pytestmark = pytest.mark.xdist_group("wheel")


def _mapped(file: Path) -> str:
    """The name of a file inside the wheel: its directory's import name, by the longest mapped prefix."""
    name = str(file.relative_to(ROOT))
    prefix, package = max(
        (f"{path}/", package) for package, path in DIRECTORIES.items() if name.startswith(f"{path}/")
    )
    return f"{package.replace('.', '/')}/{name.removeprefix(prefix)}"


def _package_files() -> list[Path]:
    roots = {path.split("/")[0] for path in DIRECTORIES.values()}
    return [file for root in sorted(roots) for file in tracked(root)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names inside a wheel that is built from a copy of the tracked files, without a network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    copy_to(source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--quiet",
    ]
    answer = subprocess.run(
        [*build, "--wheel-dir", str(target), str(source)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_packages_are_the_directories() -> None:
    """The list in pyproject.toml names each directory that has an ``__init__.py``, and nothing else."""
    inits = [file for file in _package_files() if file.name == "__init__.py"]
    assert sorted(SETTINGS["packages"]) == sorted(
        _mapped(file).removesuffix("/__init__.py").replace("/", ".") for file in inits
    )


def test_nothing_at_the_root_shadows_the_package() -> None:
    """With the checkout on ``sys.path``, ``import perdure`` still finds the installed package."""
    assert [name for name in ("perdure", "perdure.py", "__init__.py") if (ROOT / name).exists()] == []


@pytest.mark.slow
def test_the_wheel_has_every_file(wheel: set[str]) -> None:
    """Each tracked file of a package directory is in the wheel, under its import name."""
    assert sorted({_mapped(file) for file in _package_files()} - wheel) == []


def test_the_wheel_has_only_the_package(wheel: set[str]) -> None:
    """Tests, benchmarks and pages stay out of the wheel."""
    assert [name for name in wheel if not name.startswith("perdure/") and ".dist-info/" not in name] == []


@pytest.mark.slow
def test_the_wheel_carries_the_licence(wheel: set[str]) -> None:
    """Who installs the wheel has the licence text too."""
    assert [name for name in wheel if name.endswith(".dist-info/licenses/LICENSE")] != []
