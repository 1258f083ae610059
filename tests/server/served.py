"""A server in a process of its own, on a database in a file: ``python served.py DATABASE LOG``.

It prints its URL when it answers. The activity ``Note`` adds its argument, as a line, to the file LOG; a file
``activities.py`` beside it has others in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from perdure.engine.activities import Registry, load_activities
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.serve import serve

NOTES = """\
dsl: perdure/1
name: notes
version: 1.0.0
do:
- before: { call: Note, with: before }
- go: { wait_for_event: Go, timeout: never }
- after: { call: Note, with: after }
- return: ${ go }
"""
"""Notes ``before``, waits for an event, notes ``after``."""


@contextmanager
def given_process(folder: Path) -> Generator[tuple[Popen[str], str]]:
    """The process and its URL. Its database is in ``folder``, and so is what the activity noted."""
    command = [sys.executable, "-W", "error", __file__, str(folder / "hub.db"), str(folder / "notes")]
    process = Popen(command, stdout=PIPE, text=True, cwd=folder)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the server did not start; its own output says why"
        yield process, url
    finally:
        process.kill()
        process.communicate()


def _main(database: str, log: str) -> None:
    def note(text: str) -> None:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def announce(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    activities = Registry()

    activities.add("Note", note)
    if Path("activities.py").is_file():
        activities = load_activities(Path("activities.py"))
    store = open_store(f"sqlite:///{database}")
    with Worker(store, activities) as worker:
        serve(create_app(Client(store, worker), worker), "127.0.0.1", 0, on_ready=announce)
    store.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
