"""URLs of databases: what perdure reads in one, and how it is shown to people."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from perdure.engine.errors import UserError

DEFAULT_SCHEMA = "perdure"
_LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL; it cuts longer ones."""

# libpq lets a password hold all but a slash and an at sign; who wrote one of those meant it as well.
_PASSWORD = re.compile(r"^([^:/@]*:)[^/]+(?=@)|([?&][^=&]*(?:password|secret)[^=&]*=)[^&]+", re.IGNORECASE)

_PORT = "5432"
_HOST = re.compile(r"(?P<host>\[[^\]]+\]|[^:]+)(:(?P<port>\d+))?")


class PostgresUrl(NamedTuple):
    """A hub in PostgreSQL. ``conninfo`` is what the driver gets, without what is perdure's own.

    ``pooled``: between us and the database is a pooler that gives each transaction another connection.
    ``direct``: host and port of the database itself, to listen to it.
    """

    conninfo: str
    schema: str = DEFAULT_SCHEMA
    pooled: bool = False
    direct: tuple[str, str] | None = None

    @property
    def can_listen(self) -> bool:
        """Whether a connection hears what is told to it."""
        return not self.pooled or self.direct is not None


def postgres_url(url: str) -> PostgresUrl:
    """Read ``postgresql://USER:PASSWORD@HOST,HOST/DATABASE?schema=NAME&pooled=true&direct=HOST:PORT``.

    All other parameters are those of libpq. Raises ``UserError``.
    """
    base, _, query = url.partition("?")
    _, _, rest = base.partition("://")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    schema = settings.pop("schema", DEFAULT_SCHEMA)
    if not 0 < len(schema.encode()) <= _LONGEST_NAME or "\0" in schema or schema.startswith("pg_"):
        raise UserError(f"{schema!r} cannot be the name of a schema.", hint="give ?schema=NAME another name")
    pooled = settings.pop("pooled", "false")
    if pooled not in {"true", "false"}:
        raise UserError(f"pooled={pooled} is neither true nor false.")
    direct = settings.pop("direct", None)
    # Of several servers the one that takes writes is meant.
    settings.setdefault("target_session_attrs", "read-write")
    return PostgresUrl(
        f"postgresql://{rest}?{urlencode(settings)}", schema, pooled == "true", _host_and_port(direct)
    )


def _host_and_port(given: str | None) -> tuple[str, str] | None:
    if given is None:
        return None
    found = _HOST.fullmatch(given)
    if found is None:
        raise UserError(f"direct={given} is no host, or host and port.")
    # Not the port of the pooler, which the driver would take: a URL without one means this.
    return found["host"].strip("[]"), found["port"] or _PORT


def shown(url: str) -> str:
    """The URL with its password left out."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.startswith("sqlite"):
        return url
    return f"{scheme}://{_PASSWORD.sub(lambda found: f'{found[1] or found[2]}***', rest)}"
