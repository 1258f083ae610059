"""The options that say whose tokens a server lets in, and the provider that they come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from perdure.engine.access import Role
    from perdure.server.oidc import Provider

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--oidc-issuer", metavar="URL", help="Let tokens of this OpenID provider in, too."),
    click.option("--oidc-audience", metavar="NAME", help="For whom they have to be made."),
    click.option(
        "--oidc-claim",
        default="roles",
        show_default=True,
        metavar="PATH",
        help="What of a token has the roles.",
    ),
    click.option(
        "--oidc-role",
        "oidc_roles",
        multiple=True,
        metavar="VALUE=ROLE",
        help="Which value there gives which role.",
    ),
    click.option("--oidc-jwks", metavar="URL", help="Where the keys are, if the issuer does not say it."),
)


def oidc_options(command: Function) -> Function:
    """Give a command these options; it hands what they say on to ``provider_of``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def provider_of(
    *,
    oidc_issuer: str | None,
    oidc_audience: str | None,
    oidc_claim: str,
    oidc_roles: tuple[str, ...],
    oidc_jwks: str | None,
) -> Provider | None:
    """Whose tokens count, if anybody's do.

    Raises ``click.UsageError`` without an issuer for the rest, ``UserError`` for what cannot be one.
    """
    from perdure.server.oidc import ROLES, Provider

    if oidc_issuer is None:
        if oidc_audience or oidc_roles or oidc_jwks:
            raise click.UsageError("--oidc-audience, --oidc-role and --oidc-jwks need --oidc-issuer")
        return None
    return Provider(
        issuer=oidc_issuer,
        audience=oidc_audience or "",
        claim=oidc_claim,
        roles=dict(map(_role, oidc_roles)) or ROLES,
        jwks=oidc_jwks,
    )


def _role(text: str) -> tuple[str, Role]:
    """``VALUE=ROLE``. Raises ``UserError``."""
    from perdure.engine.access import role_of
    from perdure.engine.errors import UserError

    value, _, role = text.rpartition("=")
    if not value:
        raise UserError(f"{text!r} gives no value a role.", hint="write VALUE=ROLE, as in ops=operator")
    return value, role_of(role)
