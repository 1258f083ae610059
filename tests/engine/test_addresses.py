"""What is an entity's address, and what is not."""

from __future__ import annotations

import pytest

from perdure.dsl.forms import ENTITY_TYPE
from perdure.engine.addresses import MAX_KEY, address_of, entity_at, entity_of, is_entity


@pytest.mark.parametrize("text", ["Account@a", "A.b-c_1@x@y", "A@ \n", "A@" + "k" * MAX_KEY])
def test_an_entity_has_a_type_and_a_key(text: str) -> None:
    """The type is what the language takes for one; the key is any text but an empty one."""
    found = entity_of(text)
    assert found is not None
    assert "@".join(found) == text
    assert ENTITY_TYPE.fullmatch(found[0])
    assert entity_at(address_of(*found)) == found
    assert is_entity(address_of(*found))


@pytest.mark.parametrize(
    "text", ["Account", "Account@", "@a", "1A@a", "A b@c", "", "A@\0", "A@\ud800", "A@" + "k" * 257]
)
def test_anything_else_is_none(text: str) -> None:
    """Without a type, or a key, or with one that is too long."""
    assert entity_of(text) is None
