"""Writes the routes of ``docs/http-api.md`` from the OpenAPI document: ``python -m tests.http_page``.

What stands above ``BEGIN`` is written by hand.
"""

from __future__ import annotations

from typing import Any

from perdure.server.app import document
from tests.checkout import ROOT
from tests.http_examples import ACTIVITIES, EXAMPLES, SETUP

PAGE = ROOT / "docs" / "http-api.md"
BEGIN = "<!-- routes: written by `python -m tests.http_page` from the OpenAPI document -->\n"
_SKIP = "<!-- test: skip tests/server/test_page.py runs it -->\n"
_LAST = ["Fleet", "Keys"]
"""Tags at the end: a worker leaves, and from the first key on the examples would need one."""


def operations() -> list[tuple[str, dict[str, Any]]]:
    """Each operation by its method and path, in the order of the page."""
    found = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]
    order = [each["name"] for each in document()["tags"] if each["name"] not in _LAST] + _LAST
    examples = list(EXAMPLES)
    return sorted(found, key=lambda each: (order.index(each[1]["tags"][0]), examples.index(each[0])))


def written() -> str:
    """The part of the page that is written."""
    about = {each["name"]: each["description"] for each in document()["tags"]}
    parts = [
        f"{BEGIN}\n## Every route\n\nBelow `/api/v1`. The examples run in this order, in an empty directory,",
        "on a hub of their own: `perdure serve` there, with this `activities.py`.\n",
        f"{_SKIP}```python\n{ACTIVITIES}```\n",
        "They begin with this in another terminal, in the same directory. Those of dead letters need letters",
        "1 and 2, for an instance `kept`: a hub in which nothing went wrong has none, and answers 404.\n",
        f"{_SKIP}```bash\n{SETUP}```\n",
    ]
    tag = ""
    for name, operation in operations():
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            parts.append(f"### {tag}\n\n{about[tag]}\n")
        parts += _operation(name, operation)
    return "\n".join(parts)


def _operation(name: str, operation: dict[str, Any]) -> list[str]:
    roles = [role for each in operation["security"] for role in each["key"]]
    said = [
        operation["summary"],
        operation.get("description", ""),
        f"For {roles[0]}s." if roles else "For anybody.",
    ]
    parameters = [_parameter(each) for each in operation["parameters"] if "$ref" not in each]
    if any(each.get("$ref", "").endswith("/key") for each in operation["parameters"]):
        said.append("Repeatable with an `Idempotency-Key`.")
    answers = [
        f"| {status} | {each['description']} |"
        for status, each in operation["responses"].items()
        if "description" in each
    ]
    return [
        f"#### `{name}`\n",
        " ".join(each for each in said if each) + "\n",
        *(["| parameter | |\n| --- | --- |\n" + "\n".join(parameters) + "\n"] if parameters else []),
        "| answer | |\n| --- | --- |\n" + "\n".join(answers) + "\n",
        f"{_SKIP}```bash\n{EXAMPLES[name]}\n```\n",
    ]


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    shown = f" One of {', '.join(f'`{each}`' for each in choices)}." if choices else ""
    usual = f" {schema['default']} when nothing is said." if schema.get("default", False) is not False else ""
    text = parameter["description"].replace("|", "\\|")
    return (
        f"| `{parameter['name']}`{' (needed)' if parameter.get('required') else ''} | {text}{shown}{usual} |"
    )


def write() -> None:
    """Rewrite the part of the page that is written."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(by_hand + written(), encoding="utf-8")


if __name__ == "__main__":
    write()
