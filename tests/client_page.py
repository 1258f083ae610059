"""The table of the methods of ``perdure.Client`` in ``docs/http-api.md``. Run it to write that."""

from __future__ import annotations

import inspect

from perdure.client import Client
from tests.http_page import PAGE

BEGIN, END = "<!-- the client: begin -->\n", "<!-- the client: end -->\n"


def table() -> str:
    """A row for each method: what it takes, and the first sentence of what it promises."""
    found = inspect.getmembers(Client, inspect.isfunction)
    rows = [_row(name, method) for name, method in found if not name.startswith("_")]
    return "| method | does |\n| --- | --- |\n" + "".join(rows)


def _row(name: str, method: object) -> str:
    assert callable(method)
    taken = [each for each in inspect.signature(method).parameters.values() if each.name != "self"]
    needed = [each.name for each in taken if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    more = ", ..." if len(needed) < len(taken) and needed else "..." if taken and not needed else ""
    said = (inspect.getdoc(method) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
    return f"| `{name}({', '.join(needed)}{more})` | {said.split('. ')[0].rstrip('.')} |\n".replace(
        "\\|", "|"
    )


def write() -> None:
    """Rewrite the table, and leave the rest of the page as it is."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    write()
