"""The same act on all instances that a query finds: a dry run counts them, and the count confirms the act."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.engine.bulk import MOST, PURGE, VERBS
from perdure.engine.errors import NotFound
from perdure.server import bodies, documents
from perdure.server.access import Endpoint
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import Operation, Parameter, json_answer, json_body, route
from perdure.server.parameters import DRY_RUN, Q, required
from perdure.server.payloads import Query, invalid_parameter, path_text, read_fields
from perdure.server.problems import problem_row

_CONFIRM = Parameter(
    name="confirm",
    text="How many there are, as the dry run has said.",
    schema={"type": "integer", "minimum": 0, "maximum": MOST},
)
_VERB = Parameter(
    name="verb", text="What is done.", schema={"type": "string", "enum": list(VERBS)}, required=True
)


def _acts(path: str, role: Role, pieces: Iterable[Parameter] = ()) -> Callable[[Endpoint], Operation]:
    return route(
        "POST",
        path,
        role,
        tag="Instances",
        pieces=pieces,
        query=[required(Q), DRY_RUN, _CONFIRM],
        body=json_body(bodies.Why, required=False),
        answers={
            202: json_answer("It is done to each, as far as it can be.", documents.ActedOnMany),
            200: json_answer("How many there are.", documents.Counted),
        },
        problems={404: "there is no such act", 409: "there are more or fewer than was confirmed"},
    )


@_acts("/instances:purge", Role.ADMIN)
async def purge(request: Request) -> Response:
    """Purge all that a query finds, up to 1,000, each with its children.

    A dry run answers with their count, and the act has to `confirm` it.
    """
    return await _act(request, PURGE)


@_acts("/instances:{verb}", Role.OPERATOR, [_VERB])
async def act(request: Request) -> Response:
    """Suspend, resume, cancel, terminate, rewind or restart all that a query finds, up to 1,000.

    A dry run answers with their count, and the act has to `confirm` it. Whatever is wrong with one of them is
    its problem, and the others are acted on.
    """
    verb = path_text(request, "verb")
    if verb not in VERBS:
        # Also a purge under another spelling: that is for others.
        raise NotFound(f"There is no act {verb!r} on many instances.", hint=f"one of: {', '.join(VERBS)}")
    return await _act(request, verb)


async def _act(request: Request, verb: str) -> Response:
    query, api = Query(request), api_of(request)
    text = query.text("q")
    if text is None:
        raise invalid_parameter("q", "is needed: which instances")
    confirm = query.count("confirm", -1, 0, MOST)
    body = await read_fields(request, bodies.Why, api.settings.body_bytes, optional=True)
    if query.flag("dry_run"):
        return answer(await api.call(api.client.count, verb, text))
    if confirm < 0:
        raise invalid_parameter("confirm", "is needed", "look first with dry_run=true, which counts them")
    done, problems = await api.call(api.client.act_on, verb, text, confirm, reason=body.reason)
    rows = [{"id": each, "problem": problem_row(error)} for each, error in problems.items()]
    return answer({**done, "problems": rows}, 202)
