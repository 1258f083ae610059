"""The JSON Schema as editors get it: the one of the language, and what is known of a project's activities.

Nothing of it is used to check documents; ``schema`` and the type checker do that.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from perdure.dsl.schema import schema

EXPRESSION = r"\$\{"
_PLAIN = frozenset({"type", "title", "description", "default", "examples"})
"""Keywords beside which any text is allowed."""
_WHOLE = frozenset({"enum", "const", "anyOf", "allOf", "not", "if"})
"""Keywords that say something about texts too."""


def editor_schema(manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema to give to an editor.

    With the manifest of a registry of activities, ``call`` offers their names, and ``with`` is checked
    against their parameters wherever it is not an expression.
    """
    found: dict[str, Any] = json.loads(json.dumps(schema()))
    if manifest is not None:
        _know(found, manifest["activities"])
    for part in _parts(found):
        _for_intellij(part)
    return found


def schema_text(found: Mapping[str, Any]) -> str:
    """The text of a schema's file; in ASCII, so that no terminal and no tool stumbles over it."""
    return json.dumps(found, indent=2) + "\n"


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every mapping below a part of the schema, itself included; bodies of snippets are no schemas."""
    if isinstance(part, dict):
        yield part
        for key, value in part.items():
            if key not in ("defaultSnippets", "enum", "const"):
                yield from _parts(value)
    elif isinstance(part, list):
        for item in part:
            yield from _parts(item)


def _for_intellij(part: dict[str, Any]) -> None:
    """Says the same in the words that JetBrains' editors read; they know no Markdown."""
    markdown = part.get("markdownDescription")
    if isinstance(markdown, str):
        text = html.escape(markdown, quote=False)
        text = re.sub(r"```yaml\n(.*?)\n```", r"<pre>\1</pre>", text, flags=re.DOTALL)
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
        part["x-intellij-html-description"] = text.replace("\n\n", "<br><br>")
    texts = part.get("enumDescriptions")
    if isinstance(texts, list):
        each = zip(part["enum"], texts, strict=True)
        part["x-intellij-enum-metadata"] = {str(value): {"description": text} for value, text in each}


# The activities of a project ------------------------------------------------------------------


def _know(whole: dict[str, Any], activities: Mapping[str, Any]) -> None:
    """Makes every ``call`` with its ``with`` one of these activities, or of a function of the file."""
    definitions = whole["definitions"]
    # Without texts of their own, which would hide the activity's.
    call = {"$ref": "#/definitions/activity"}
    arguments = {"title": "arguments", "type": definitions["value"]["type"]}
    for part in [*_parts(whole)]:
        if {"call", "with"} <= part.get("properties", {}).keys():
            part["properties"] |= {"call": call, "with": arguments}
            part["allOf"] = [*part.get("allOf", ()), {"$ref": "#/definitions/arguments"}]
    cases = [_case(name, activity, definitions) for name, activity in sorted(activities.items())]
    definitions["arguments"] = {"title": "arguments", "allOf": cases}
    names = sorted(activities)
    texts = [activities[name].get("doc", "") for name in names]
    registered = {"enum": names, "enumDescriptions": texts, "markdownEnumDescriptions": texts}
    # Told apart from the activities: an editor that finds two branches to fit shows neither's text.
    function = {
        "title": "function",
        "description": "An entry of 'functions' in this file.",
        "type": "string",
        "pattern": f"^(?!(?:{'|'.join(map(re.escape, names))})$)[a-z][a-z0-9_]*$",
    }
    definitions["activity"] = {"title": "activity", "anyOf": [{"title": "activity", **registered}, function]}


def _case(name: str, activity: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What holds for a call of one activity; what it refers to goes to ``definitions``."""
    schemas = {
        each["name"]: _argument(f"activity.{name}.{each['name']}", each["schema"], definitions)
        for each in activity["parameters"]
    }
    required = [each["name"] for each in activity["parameters"] if each["required"]]
    about = _about(name, activity)
    properties = {"call": about, "with": {**_with(schemas, required), **about}}
    condition = {"properties": {"call": {"const": name}}, "required": ["call"]}
    return {"if": condition, "then": {"properties": properties, "required": ["with"] if required else []}}


def _with(schemas: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    if len(schemas) == 1:
        only = next(iter(schemas.values()))
        return dict(only) if isinstance(only, dict) else {}
    return {
        "type": ["object", "string"],
        "pattern": EXPRESSION,
        "properties": dict(schemas),
        "required": required,
        "additionalProperties": False,
    }


def _about(name: str, activity: Mapping[str, Any]) -> dict[str, str]:
    names = [each["name"] if each["required"] else f"{each['name']}?" for each in activity["parameters"]]
    signature = f"{name}({', '.join(names)})"
    doc = activity.get("doc", "")
    return {
        "title": signature,
        "description": doc or signature,
        "markdownDescription": f"`{signature}`" + (f"\n\n{doc}" if doc else ""),
    }


def _argument(place: str, given: Any, definitions: dict[str, Any]) -> Any:
    """A parameter's schema for what is written in YAML; its own definitions go to ``definitions``."""
    if not isinstance(given, dict):
        return given
    for key in ("$defs", "definitions"):
        for name, part in given.get(key, {}).items():
            definitions[f"{place}.{name}"] = _or_expression(_moved(part, place))
    rest = {key: value for key, value in given.items() if key not in ("$defs", "definitions")}
    return _or_expression(_moved(rest, place))


def _moved(part: Any, place: str) -> Any:
    """A schema whose references lead to where its definitions are now."""
    if isinstance(part, list):
        return [_moved(item, place) for item in part]
    if not isinstance(part, dict):
        return part
    moved = {key: _moved(value, place) for key, value in part.items()}
    if isinstance(part.get("$ref"), str):
        moved["$ref"] = re.sub(r"^#/(\$defs|definitions)/", f"#/definitions/{place}.", part["$ref"])
    return moved


def _or_expression(part: Any) -> Any:
    """A schema that text with an expression satisfies too, at every depth; a reference's target does it."""
    if not isinstance(part, dict) or not part or "$ref" in part:
        return part
    inner = _drafted(part)
    for key in ("properties", "patternProperties"):
        if key in inner:
            inner[key] = {name: _or_expression(each) for name, each in inner[key].items()}
    for key in ("items", "additionalItems", "additionalProperties"):
        if key in inner:
            found = inner[key]
            inner[key] = [*map(_or_expression, found)] if isinstance(found, list) else _or_expression(found)
    if "oneOf" in inner or "anyOf" in inner:
        # An expression fits every branch, so "exactly one" cannot be asked for.
        inner["anyOf"] = [_or_expression(each) for each in inner.pop("anyOf", None) or inner.pop("oneOf")]
    if inner.get("type") == "string" and not inner.keys() - _PLAIN:
        return inner
    kind = inner.get("type")
    if isinstance(kind, str) and kind != "string" and not inner.keys() & _WHOLE:
        key = "patternErrorMessage" if kind in ("object", "array") else "errorMessage"
        message = f"This must be of type {kind}, or an expression in ${{ }}."
        return {**inner, "type": [kind, "string"], "pattern": EXPRESSION, key: message}
    return {"anyOf": [inner, {"type": "string", "pattern": EXPRESSION}]}


def _drafted(part: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of draft 2020-12 in the words of draft-07: lists whose items differ are written otherwise."""
    if "prefixItems" not in part:
        return dict(part)
    words = {"prefixItems": "items", "items": "additionalItems"}
    return {words.get(key, key): value for key, value in part.items()}
