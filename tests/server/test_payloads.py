from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from perdure.server.answers import encode_json
from perdure.server.payloads import MAX_DIGITS, MAX_LEVELS, parse_json
from perdure.server.problems import Problem
from tests.server.hub import API, JSON, refusal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(levels: int) -> bytes:
    """Lists inside of lists."""
    return b"[" * levels + b"]" * levels


@given(VALUES)
def test_what_is_sent_is_read(value: Any) -> None:
    """Reading what was written gives the value back."""
    assert parse_json(encode_json(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}{}",
        b"nul",
        b"'a'",
        b"[1,]",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[-1e999]",
        b"9" * (MAX_DIGITS + 1),
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'{"a": 1, "a": 2}',
        b'[{"a": {"b": 1, "\\u0062": 2}}]',
        b'"\n"',
        nested(MAX_LEVELS + 1),
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 500_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_readers_read_differently_is_refused(data: bytes) -> None:
    """Broken, ambiguous and bottomless JSON is 400 with a reason."""
    with pytest.raises(Problem) as caught:
        parse_json(data)
    assert (caught.value.status, caught.value.code) == (400, "bad_json")


@pytest.mark.parametrize("data", [b"9" * MAX_DIGITS, b'"\\ud83d\\ude00"', nested(MAX_LEVELS)], ids=len)
def test_what_is_within_bounds_is_read(data: bytes) -> None:
    """Long integers, surrogate pairs and nesting within the limits are fine."""
    assert parse_json(data)


def test_bad_json_says_where() -> None:
    """The place of what cannot be read is told."""
    with pytest.raises(Problem, match="line 2 column 3"):
        parse_json(b"[\n  x]")


def test_a_body_has_a_limit(http: TestClient) -> None:
    """A body beyond the limit is 413 before it is read."""
    body = b'"' + b"a" * (1 << 20) + b'"'
    assert refusal(http.post(f"{API}/instances", content=body, headers=JSON)) == (413, "too_large")


def test_a_body_of_unknown_length_has_a_limit(http: TestClient) -> None:
    """A body that is sent in pieces is 413 as soon as it is too large."""
    pieces = (b"a" * 65_536 for _ in range(17))
    assert refusal(http.post(f"{API}/instances", content=pieces, headers=JSON)) == (413, "too_large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_a_body_says_what_it_is(http: TestClient, kind: str) -> None:
    """A body of another type, or in another encoding, is 415."""
    answer = http.post(f"{API}/instances", content=b"{}", headers={"content-type": kind})
    assert refusal(answer) == (415, "media_type")


@pytest.mark.parametrize(("packed", "status"), [("gzip", 415), ("br", 415), ("Identity", 201)])
def test_a_packed_body_is_not_guessed_at(http: TestClient, packed: str, status: int) -> None:
    """What says that it is compressed is 415, and the hint says what to do."""
    headers = JSON | {"content-encoding": packed}
    answer = http.post(f"{API}/instances", content=b'{"workflow":"echo"}', headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert refusal(answer) == (415, "media_type")
        assert f'its Content-Encoding is "{packed}"' in answer.json()["detail"]


def test_utf_8_may_be_said(http: TestClient) -> None:
    """The encoding may be named, as long as it is UTF-8."""
    headers = {"content-type": 'Application/JSON; charset="UTF-8"'}
    answer = http.post(f"{API}/instances", content=b'{"workflow":"echo"}', headers=headers)
    assert answer.status_code == 201
