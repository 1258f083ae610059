"""Modules that are imported from changed source."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from tests.sim.mutants.model import Change


def install(changes: Iterable[Change]) -> None:
    """From now on these modules are imported with their changes."""
    by_module: dict[str, list[Change]] = {}
    for change in changes:
        by_module.setdefault(change.module, []).append(change)
    for module, mine in by_module.items():
        assert module not in sys.modules, f"{module} is imported already"
        sys.meta_path.insert(0, _Finder(module, mine))


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from changed source, and keeps no compiled file of it."""

    def __init__(self, name: str, path: str, changes: Sequence[Change]) -> None:
        super().__init__(name, path)
        self._changes = changes

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text("utf-8")
        for change in self._changes:
            count = text.count(change.old)
            if count != 1:
                raise ImportError(f"{fullname} has the text to be changed {count} times, not once")
            text = text.replace(change.old, change.new)
        return compile(text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, changes: Sequence[Change]) -> None:
        self._module = module
        self._changes = changes
        self._looking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking = False
        assert spec is not None, fullname
        assert spec.origin is not None, fullname
        loader = _Loader(fullname, spec.origin, self._changes)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)
