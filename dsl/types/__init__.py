"""Types: of schemas, of expressions, of everything that a workflow names.

``check_types`` says what is wrong whatever the values are; it needs no values, and rejects nothing that
may work.
"""

from __future__ import annotations

from perdure.dsl.types.catalog import EMPTY, Catalog, Contract, catalog_of
from perdure.dsl.types.check import check_types, note_types

__all__ = ["EMPTY", "Catalog", "Contract", "catalog_of", "check_types", "note_types"]
