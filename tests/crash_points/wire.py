"""What one process sees of the store: every call is numbered, and may fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.engine.errors import Busy, OutcomeUnknown
from tests.crash_points.disks import Disk, Opened
from tests.crash_points.faults import FREE, WRITING, Crashed, Fault, Injector


class Wire:
    """The store through the eyes of a process. ``written`` hears of each write that was applied."""

    def __init__(
        self,
        name: str,
        disk: Disk,
        injector: Injector,
        written: Callable[[Wire, str, tuple[Any, ...], Any], None],
    ) -> None:
        self.name = name
        self.opened: Opened = disk.open()
        self.news = True
        self._disk = disk
        self._injector = injector
        self._written = written

    def time(self) -> int:
        """The store's time."""
        return self.opened.store.time()

    def changed(self) -> bool:
        """Whether another has written, or this process in the place of another."""
        news, self.news = self.news, False
        return news

    def close(self) -> None:
        """The connections end with the process."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.opened.store, name)
        assert name not in FREE, name

        def call(*arguments: Any, **more: Any) -> Any:
            return self._call(name, method, arguments, more)

        return call

    def _call(
        self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], more: dict[str, Any]
    ) -> Any:
        call, fault = self._injector.next(self.name, name)
        if fault is not None:
            self._before(fault)
        # A statement that is torn or broken leaves nothing behind: neither rows nor anything in memory.
        before = self._disk.image() if fault is not None and fault.cut else None
        cut = fault.cut if fault is not None and name in WRITING else 0
        self.opened.cut(cut, fault is not None and fault.kind == "break")
        try:
            result = method(*arguments, **more)
        except BaseException:
            if fault is not None and self.opened.knife.fired:
                self._undone(fault, before)
            raise
        # What is refused has written nothing.
        call.statements = self.opened.cut(0, False)
        if name not in WRITING or not call.statements:
            return result
        self._written(self, name, arguments, result)
        if fault is not None and fault.kind == "fail_after":
            self._injector.hit(fault)
            raise OutcomeUnknown("injected: done, and no answer")
        if fault is not None and fault.kind == "crash_after":
            self._injector.hit(fault)
            raise Crashed
        return result

    def _before(self, fault: Fault) -> None:
        """What happens to a call that does not reach the database."""
        if fault.kind in {"fail_before", "no_answer", "crash_before"}:
            self._injector.hit(fault)
        if fault.kind == "fail_before":
            raise Busy("injected: nothing happened")
        if fault.kind == "no_answer":
            raise OutcomeUnknown("injected: not done, and no answer")
        if fault.kind == "crash_before":
            raise Crashed

    def _undone(self, fault: Fault, before: dict[str, Any] | None) -> None:
        """I2: of a transaction that did not end there is nothing."""
        self._injector.hit(fault)
        after = self._disk.image()
        for table, rows in (before or {}).items():
            assert after[table] == rows, f"I2: a torn transaction has left something in {table}"
