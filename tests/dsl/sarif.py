"""The parts of SARIF 2.1.0 that a static analysis log has, as a JSON Schema that takes nothing else.

Written after the standard (OASIS, sections 3.13 to 3.49): which properties are required, and what they take.
"""

from __future__ import annotations

from typing import Any


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "minimum": 0}
_POSITION = {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_MESSAGE = _object(["text"], text=_TEXT)
_REGION = _object(
    ["startLine"], startLine=_POSITION, startColumn=_POSITION, endLine=_POSITION, endColumn=_POSITION
)
_ARTIFACT = _object(["uri"], uri={"type": "string", "pattern": "^[A-Za-z0-9._~!$&'()*+,;=:@%/-]+$"})
_PLACE = _object(["artifactLocation"], artifactLocation=_ARTIFACT, region=_REGION)
_LOCATION = _object([], id=_NUMBER, message=_MESSAGE, physicalLocation=_PLACE)
_RULE = _object(
    ["id"],
    id=_TEXT,
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    defaultConfiguration=_object([], level=_LEVEL),
)
_RESULT = _object(
    ["message"],
    ruleId=_TEXT,
    ruleIndex=_NUMBER,
    level=_LEVEL,
    message=_MESSAGE,
    locations=_list(_LOCATION),
    relatedLocations={**_list(_LOCATION), "uniqueItems": True},
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
_DRIVER = _object(["name"], name=_TEXT, version=_TEXT, rules={**_list(_RULE), "uniqueItems": True})
_RUN = _object(
    ["tool"],
    tool=_object(["driver"], driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)

SARIF: dict[str, Any] = {
    **_object(["version", "runs"], version={"const": "2.1.0"}, runs=_list(_RUN)),
    "$schema": "http://json-schema.org/draft-07/schema#",
}
SARIF["properties"]["$schema"] = {"type": "string", "format": "uri"}
