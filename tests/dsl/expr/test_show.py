from __future__ import annotations

import pytest

from perdure.dsl.expr.parser import parse
from perdure.dsl.expr.show import show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(-7).a", "(-7).a"),
        ("-7.a", "-7.a"),
        ("(-0.5)[0]", "(-0.5)[0]"),
        ("a.`in`", "a.`in`"),
        ("a.`b-c`", "a.`b-c`"),
        ("( a.b )", "a.b"),
        ("(a + b) + c", "a + b + c"),
        ("a + (b + c)", "a + (b + c)"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
    ],
)
def test_one_spelling_for_one_meaning(text: str, shown: str) -> None:
    """Parentheses and quotes stand where the meaning needs them, and nowhere else."""
    assert show(parse(text)) == shown
