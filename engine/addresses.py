"""Addresses of entities: ``Type@key`` as people write it, ``@Type@key`` as an inbox has it."""

from __future__ import annotations

import re

MAX_KEY = 256
"""Characters of a key."""

_ENTITY = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,127})@([^\x00\ud800-\udfff]+)")


def entity_of(text: str) -> tuple[str, str] | None:
    """Type and key of ``Type@key``; None for what is none."""
    found = _ENTITY.fullmatch(text)
    return None if found is None or len(found[2]) > MAX_KEY else (found[1], found[2])


def address_of(type: str, key: str) -> str:
    """Where an entity has its inbox; no instance has such an id."""
    return f"@{type}@{key}"


def entity_at(address: str) -> tuple[str, str]:
    """The type and key of an address."""
    _, type_, key = address.split("@", 2)
    return type_, key


def is_entity(address: str) -> bool:
    """Whether an inbox is an entity's."""
    return address.startswith("@")
