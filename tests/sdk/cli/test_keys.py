"""``perdure keys``, and a server that asks for them."""

from __future__ import annotations

from pathlib import Path

from tests.sdk.cli.program import call, given_database, perdure, serving


def test_a_key_is_shown_once(here: Path) -> None:
    """On stdout alone, so that a script can keep it."""
    made = perdure("keys", "create", "ci", "--role", "operator", "--expires", "90d")
    assert made.code == 0
    assert made.out.startswith("pdk_")
    assert made.out.count("\n") == 1
    assert "operator" in made.err
    listed = perdure("keys", "list")
    assert "ci" in listed.out
    assert made.out.strip() not in listed.out
    assert perdure("keys", "create", "ci").code == 4
    assert perdure("keys", "revoke", "ci").code == 0
    again = perdure("keys", "revoke", "ci")
    assert (again.code, "the key 'ci' was revoked before" in again.err) == (4, True)
    assert "there is no key 'cy'" in perdure("keys", "revoke", "cy").err
    assert perdure("keys", "list", "--json").data[0]["revoked_at"]


def test_keys_without_an_admins_are_warned_of(here: Path) -> None:
    """Whoever has made them can neither deploy nor make keys through a server; a dead key is no help."""
    warning = "no key here is an admin's"
    given_database(here)
    made = perdure("keys", "create", "first")
    assert warning in made.err
    assert "perdure keys create NAME --role admin --db 'sqlite:///.perdure/perdure.db'" in made.err
    assert warning not in perdure("keys", "create", "root", "--role", "admin").err
    assert warning not in perdure("keys", "create", "second").err
    perdure("keys", "revoke", "root")
    perdure("keys", "create", "brief", "--role", "admin", "--expires", "1ms")
    assert warning in perdure("keys", "create", "third").err
    assert warning not in perdure("keys", "create", "boss", "--role", "admin", "--expires", "1h").err
    assert warning not in perdure("keys", "create", "fourth").err


def test_a_server_asks_for_a_key(tmp_path: Path) -> None:
    """As soon as there is one; commands find it in the environment."""
    secret = call("keys", "create", "ops", "--role", "viewer", "--quiet", cwd=tmp_path).out.strip()
    with serving(cwd=tmp_path) as url:
        refused = perdure("list", "--server", url)
        assert (refused.code, "PERDURE_KEY" in refused.err) == (3, True)
        wrong = perdure("list", "--server", url, PERDURE_KEY="pdk_nonsense")
        assert (wrong.code, "`perdure keys list --db URL`" in wrong.err) == (3, True)
        assert perdure("list", "--server", url, PERDURE_KEY=secret).code == 0
        forbidden = perdure("keys", "list", "--server", url, PERDURE_KEY=secret)
        assert (forbidden.code, "viewer" in forbidden.err) == (3, True)
        assert "`perdure keys create NAME --role admin --db URL`" in forbidden.err


def test_others_are_let_in_with_keys_alone(tmp_path: Path) -> None:
    """A host that others can reach needs a key in the hub, or the word that it does not."""
    refused = call("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert (refused.code, "keys create" in refused.err) == (2, True)
    with serving("--host", "0.0.0.0", "--insecure", cwd=tmp_path) as url:
        assert perdure("list", "--server", url.replace("0.0.0.0", "127.0.0.1")).code == 0
    secret = call("keys", "create", "ops", "--quiet", cwd=tmp_path).out.strip()
    with serving("--host", "0.0.0.0", cwd=tmp_path) as url:
        there = url.replace("0.0.0.0", "127.0.0.1")
        assert perdure("list", "--server", there).code == 3
        assert perdure("list", "--server", there, PERDURE_KEY=secret).code == 0
