"""Tokens of an OpenID provider, which runs in a process of its own."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.testclient import TestClient

from perdure.engine.access import Role
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server import oidc
from perdure.server.app import create_app
from perdure.server.oidc import Provider, Tokens, fetch_json
from perdure.server.problems import Problem
from perdure.server.settings import Settings
from tests.server.hub import API, ECHO, YAML, refusal
from tests.server.issuer import Issuer, given_issuer
from tests.server.test_access import ROUTES

AUDIENCE = "perdure.example"


@pytest.fixture(scope="module")
def issuer() -> Generator[Issuer]:
    """A provider."""
    with given_issuer() as found:
        yield found


@contextmanager
def serving(provider: Provider) -> Generator[tuple[TestClient, Client]]:
    """A server that lets its tokens in, and the client behind it."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        app = create_app(client, worker, Settings(threads=8, provider=provider))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            yield http, client


@pytest.fixture(scope="module")
def hub(issuer: Issuer) -> Generator[tuple[TestClient, Client]]:
    """A server of the provider."""
    with serving(Provider(issuer=issuer.url, audience=AUDIENCE)) as found:
        yield found


def claims(issuer: Issuer, **more: Any) -> dict[str, Any]:
    """Those of a viewer."""
    now = open_store("memory://").time() // 1_000_000
    said = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
    return {**said, "roles": ["perdure-viewer"], **more}


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_has_the_role_of_its_claim(
    hub: tuple[TestClient, Client], issuer: Issuer, algorithm: str
) -> None:
    """Nobody is let in without one, though there are no keys; the audit has the subject."""
    http, client = hub
    assert refusal(http.get(f"{API}/instances")) == (401, "unauthorized")
    viewer = bearer(issuer.sign(claims(issuer), algorithm))
    assert http.get(f"{API}/instances", headers=viewer).status_code == 200
    assert refusal(http.post(f"{API}/instances", headers=viewer)) == (403, "forbidden")
    roles = ["perdure-viewer", 7, "perdure-admin", "other"]
    admin = bearer(issuer.sign(claims(issuer, sub="eve", roles=roles), algorithm))
    assert http.put(f"{API}/queues/slow", json={"rate": "1/s"}, headers=admin).status_code == 200
    assert client.audit(action="queue.set")["items"][0]["actor"] == "oidc:eve"


def test_keys_count_beside_tokens(hub: tuple[TestClient, Client], issuer: Issuer) -> None:
    """And a token is good for pages of other hosts, as a key is."""
    http, client = hub
    key = client.create_key("ci", "viewer")["secret"]
    assert http.get(f"{API}/instances", headers=bearer(key)).status_code == 200
    far = {"host": "hub.example", "origin": "https://other.example"}
    assert http.get(f"{API}/instances", headers={**bearer(key), **far}).status_code == 200
    token = bearer(issuer.sign(claims(issuer)))
    assert http.get(f"{API}/instances", headers={**token, **far}).status_code == 200
    assert http.get(f"{API}/instances", headers={**bearer("a.b.c"), **far}).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": 1},
        {"exp": None},
        {"nbf": 4102444800},
        {"iat": 4102444800},
        {"aud": "another.example"},
        {"aud": None},
        {"iss": "https://another.example"},
        {"iss": "http"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "two\nlines"},
        {"sub": "x" * 300},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_does_not_count(
    hub: tuple[TestClient, Client], issuer: Issuer, wrong: dict[str, Any]
) -> None:
    """Signed as it is: expired, too early, for others, from others, of nobody."""
    http, _ = hub
    said = {name: value for name, value in claims(issuer, **wrong).items() if value is not None}
    assert refusal(http.get(f"{API}/instances", headers=bearer(issuer.sign(said)))) == (401, "unauthorized")


def test_a_token_that_somebody_else_has_signed_does_not_count(
    hub: tuple[TestClient, Client], issuer: Issuer
) -> None:
    """By another key under the same name, by none, and with what is public as if it were a secret."""
    http, _ = hub
    said, kid = claims(issuer, roles=["perdure-admin"]), {"kid": "RS256-1"}
    (public,) = (each for each in fetch_json(f"{issuer.url}/keys")["keys"] if each["alg"] == "RS256")
    pem = jwt.PyJWK(public).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mine = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    right = issuer.sign(said)
    head, body, signature = right.split(".")
    more = _part({**json.loads(base64.urlsafe_b64decode(body + "==")), "sub": "root"})
    forged = {
        "another key": jwt.encode(said, mine, algorithm="RS256", headers=kid),
        "another key with a place": jwt.encode(
            said, mine, algorithm="RS256", headers={"kid": "mine", "jku": "https://evil.example/keys"}
        ),
        "none": jwt.encode(said, "", algorithm="none", headers=kid),
        "none and a signature": f"{_part({'alg': 'none', **kid})}.{body}.{signature}",
        "public as secret": _hmac_signed(said, pem, kid),
        "another algorithm": issuer.sign(said, "ES256", kid="RS256-1"),
        "changed": f"{head}.{more}.{signature}",
        "cut": right[:-8],
        "scrap": "a.b.c",
        "critical": issuer.sign(said, crit=["x"], x=1),
    }
    for name, token in forged.items():
        answer = http.get(f"{API}/instances", headers=bearer(token))
        assert refusal(answer) == (401, "unauthorized"), name
    assert http.get(f"{API}/instances", headers=bearer(right)).status_code == 200


def test_what_is_public_is_no_secret(issuer: Issuer) -> None:
    """In no form and by no hash, also where the provider does not say what its keys are for."""
    (public,) = (each for each in fetch_json(f"{issuer.url}/keys")["keys"] if each["alg"] == "RS256")
    key = jwt.PyJWK(public).key
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        key.public_bytes(serialization.Encoding.PEM, form),
        key.public_bytes(serialization.Encoding.PEM, form).strip(),
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
        key.public_bytes(serialization.Encoding.DER, form),
        base64.urlsafe_b64decode(public["n"] + "=="),
        public["n"].encode(),
        json.dumps(public).encode(),
        b"",
    ]
    provider = Provider(issuer=issuer.url, audience=AUDIENCE, jwks=f"{issuer.url}/nameless")
    with serving(provider) as (http, _):
        said = claims(issuer, roles=["perdure-admin"])
        for secret in secrets:
            for algorithm in ("HS256", "HS384", "HS512"):
                forged = _hmac_signed(said, secret, {"kid": public["kid"]}, algorithm)
                answer = http.get(f"{API}/instances", headers=bearer(forged))
                assert refusal(answer) == (401, "unauthorized"), (secret, algorithm)
        shared = _hmac_signed(said, b"secret", {"kid": "h"})
        assert http.get(f"{API}/instances", headers=bearer(shared)).status_code == 401
        right = bearer(issuer.sign(said))
        assert http.get(f"{API}/instances", headers=right).status_code == 200


@pytest.mark.parametrize("deep", ["[", '{"a":'])
def test_a_token_that_is_nested_too_deeply_does_not_count(issuer: Issuer, deep: str) -> None:
    """Its head is read before anybody knows who has signed it: that failed, and was answered by 500."""
    provider = Provider(issuer=issuer.url, audience=AUDIENCE, jwks=f"{issuer.url}/nameless")
    with serving(provider) as (http, _):
        right = issuer.sign(claims(issuer))
        _, body, signature = right.split(".")
        head = base64.urlsafe_b64encode((deep * (10_000 // len(deep))).encode()).rstrip(b"=").decode()
        inside = base64.urlsafe_b64encode(
            f'{{"alg":"RS256","kid":{deep * (10_000 // len(deep))}'.encode()
        ).decode()
        for token in (f"{head}.{body}.{signature}", f"{inside}.{body}.{signature}"):
            answer = http.get(f"{API}/instances", headers=bearer(token))
            assert refusal(answer) == (401, "unauthorized")
        assert http.get(f"{API}/instances", headers=bearer(right)).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"exp": [1]}, {"exp": "never"}, {"nbf": {"a": 1}}, {"aud": {"a": 1}}], ids=str
)
def test_an_odd_claim_does_not_count(issuer: Issuer, wrong: dict[str, Any]) -> None:
    """The provider has signed it, whatever it was thinking."""
    with serving(Provider(issuer=issuer.url, audience=AUDIENCE)) as (http, _):
        kid = jwt.get_unverified_header(issuer.sign(claims(issuer)))["kid"]
        token = issuer.sign(claims(issuer, **wrong), kid=kid)
        assert refusal(http.get(f"{API}/instances", headers=bearer(token))) == (401, "unauthorized")


def _part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _hmac_signed(
    said: dict[str, Any], secret: bytes, header: dict[str, str], algorithm: str = "HS256"
) -> str:
    """PyJWT refuses to make such a token."""
    text = f"{_part({'alg': algorithm, 'typ': 'JWT', **header})}.{_part(said)}"
    signature = hmac.new(secret, text.encode(), f"sha{algorithm[2:]}").digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("kind", ["viewer", "operator", "admin", "expired", "other audience"])
def test_every_route_by_every_kind_of_token(
    hub: tuple[TestClient, Client], issuer: Issuer, kind: str
) -> None:
    """As by keys: only who may is let through."""
    http, _ = hub
    refused: dict[str, dict[str, Any]] = {"expired": {"exp": 1}, "other audience": {"aud": "another.example"}}
    role = None if kind in refused else Role[kind.upper()]
    said = refused.get(kind, {"roles": [f"perdure-{kind}"]})
    headers = bearer(issuer.sign(claims(issuer, **said)))
    for method, path, needed in ROUTES:
        if needed is None or path.endswith("/stream"):
            continue
        url = path.replace("{", "x").replace("}", "x")
        status = http.request(method, url, headers=headers).status_code
        expected = 401 if role is None else 403 if role < needed else None
        assert (status if status in {401, 403} else None) == expected, (method, path, kind, status)


def test_who_has_no_role_is_told_so(hub: tuple[TestClient, Client], issuer: Issuer) -> None:
    """The words of another application, admin among them, give none."""
    http, _ = hub
    for roles in ([], ["admin"], "admin", None, {"perdure-admin": True}):
        answer = http.get(f"{API}/instances", headers=bearer(issuer.sign(claims(issuer, roles=roles))))
        assert refusal(answer) == (403, "forbidden")
        assert "'roles'" in answer.json()["detail"]
    text = bearer(issuer.sign(claims(issuer, roles="openid perdure-viewer")))
    assert http.get(f"{API}/instances", headers=text).status_code == 200


def test_the_claim_and_its_values_can_be_named(issuer: Issuer) -> None:
    """As providers have them: inside of another, in words of their own."""
    provider = Provider(
        issuer=issuer.url,
        audience=AUDIENCE,
        claim="realm.roles",
        roles={"ops": Role.ADMIN},
        jwks=f"{issuer.url}/keys",
    )
    with serving(provider) as (http, _):
        headers = bearer(issuer.sign(claims(issuer, realm={"roles": ["ops"]})))
        assert http.post(f"{API}/definitions", content=ECHO, headers={**YAML, **headers}).status_code == 201
        plain = bearer(issuer.sign(claims(issuer, roles=["perdure-admin"])))
        assert refusal(http.get(f"{API}/instances", headers=plain)) == (403, "forbidden")


def test_keys_are_fetched_seldom() -> None:
    """Once for many tokens; once more for a new key, but not for each of a flood of unknown ones."""
    times = [1000.0]
    with given_issuer() as issuer:
        tokens = Tokens(Provider(issuer=issuer.url, audience=AUDIENCE), lambda: times[0])
        old = issuer.sign(claims(issuer))
        assert [tokens.key(old) is not None for _ in range(5)] == [True] * 5
        assert issuer.fetched() == 1
        unknown = issuer.sign(claims(issuer), kid="nobody")
        assert [tokens.key(unknown) for _ in range(20)] == [None] * 20
        assert issuer.fetched() == 1
        issuer.rotate()
        new = issuer.sign(claims(issuer))
        assert tokens.key(new) is None
        times[0] += oidc.PAUSE_SECONDS
        assert tokens.key(new) is not None
        assert tokens.key(old) is None
        assert issuer.fetched() == 2
        times[0] += oidc.FRESH_SECONDS
        assert tokens.key(new) is not None
        assert issuer.fetched() == 3
    # The provider is gone: its keys are believed for a while.
    times[0] += oidc.FRESH_SECONDS
    assert tokens.key(new) is not None
    times[0] += oidc.STALE_SECONDS
    with pytest.raises(Problem) as gone:
        tokens.key(new)
    assert (gone.value.status, gone.value.code) == (503, "provider")


@pytest.mark.parametrize(
    "place",
    ["/other", "/away", "/nowhere", "/port", "/line", "/name", "/deep", "/deep-keys", "/odd-keys"],
)
def test_a_provider_that_is_another_or_odd_has_no_keys(
    issuer: Issuer, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that says another name, sends us elsewhere without https or to no address, or is not there."""
    with serving(Provider(issuer=f"{issuer.url}{place}", audience=AUDIENCE)) as (http, _):
        token = bearer(issuer.sign(claims(issuer, iss=f"{issuer.url}{place}")))
        answer = http.get(f"{API}/instances", headers=token)
        assert refusal(answer) == (503, "provider")
        assert int(answer.headers["retry-after"]) > 0
        assert f"no keys from {issuer.url}{place}" in caplog.text
        assert http.get("/livez").status_code == 200


def test_a_document_is_fetched_within_bounds(issuer: Issuer) -> None:
    """No more than a mebibyte, and from nowhere else."""
    for place, why in {"/large": "more than", "/moved": "answers 302", "/nowhere": "answers 404"}.items():
        with pytest.raises(ValueError, match=why):
            fetch_json(f"{issuer.url}{place}")
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        fetch_json("http://127.0.0.1:1/keys")
    assert httpx2.get(f"{issuer.url}/keys").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://issuer.example"},
        {"issuer": "issuer.example"},
        {"issuer": "https://[::1"},
        {"issuer": "https://issuer.example:99999"},
        {"issuer": "https://issuer.example/two\nlines"},
        {"jwks": "file:///etc/passwd"},
        {"audience": ""},
    ],
    ids=str,
)
def test_a_provider_that_cannot_be_trusted_is_refused(wrong: dict[str, Any]) -> None:
    """Before anybody is served."""
    with pytest.raises(UserError):
        Provider(**{"issuer": "https://issuer.example", "audience": AUDIENCE, **wrong})
    assert Provider(issuer="https://issuer.example", audience=AUDIENCE).claim == "roles"
