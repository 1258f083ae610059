"""Workflows as pictures: one outline and one layout, drawn as SVG or as text, and the outline as Mermaid.

``draw(workflow, "svg")`` is the whole of it. The same workflow always gives the same text.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from perdure.dsl.diagram.mermaid import draw_mermaid
from perdure.dsl.diagram.outline import MOST_STEPS, outline
from perdure.dsl.diagram.svg import draw_svg
from perdure.dsl.diagram.text import draw_text
from perdure.dsl.model import Workflow

__all__ = ["MOST_STEPS", "Picture", "draw"]

Picture: TypeAlias = Literal["svg", "mermaid", "ascii"]


def draw(workflow: Workflow, picture: Picture, *, most: int = MOST_STEPS, unicode: bool = True) -> str:
    """The picture of a workflow. With more than ``most`` steps, those that hold others are drawn closed.

    ``unicode`` is for text: without it lines are drawn in ASCII.
    """
    whole = outline(workflow, most=most)
    match picture:
        case "svg":
            return draw_svg(whole)
        case "mermaid":
            return draw_mermaid(whole)
        case "ascii":
            return draw_text(whole, unicode=unicode)
