"""What people read of an instance that did not complete."""

from __future__ import annotations

from typing import Any

from perdure.cli.texts import ending, error_text


def instance(status: str, compensation: Any = None, reason: str | None = None) -> dict[str, Any]:
    """The document of an instance that ended with an error."""
    error = {"type": "No", "message": "no", "step": "a", "path": "do/0/a", "compensation": compensation}
    return {"id": "one", "status": status, "reason": reason, "error": error}


def test_a_failure_says_what_was_undone_and_what_was_not() -> None:
    """Steps in the order in which they were undone, by their names."""
    report = [
        {"step": "car", "path": "do/2/car", "outcome": "undone", "error": None},
        {"step": "hotel", "path": "do/1/hotel", "outcome": "failed", "error": {}},
        {"step": None, "path": "do/0/x", "outcome": "skipped", "error": None},
    ]
    assert ending(instance("Failed", report)) == (
        "one failed: No: no\n  in step 'a', attempt 1\n  undone: car\n  not undone: hotel, do/0/x"
    )


def test_a_canceled_instance_has_no_failure() -> None:
    """It says why it was canceled, and what was undone."""
    report = [{"step": "car", "path": "do/2/car", "outcome": "undone", "error": None}]
    assert ending(instance("Canceled", report, "sold out")) == "one is Canceled: sold out\n  undone: car"


def test_an_error_of_the_whole_workflow_names_no_step() -> None:
    """Nor is a message repeated that is the error's name."""
    error = {
        "type": "perdure.Timeout",
        "message": "the workflow passed its timeout",
        "step": None,
        "path": "do",
    }
    assert error_text(error) == "perdure.Timeout: the workflow passed its timeout"
    assert error_text({**error, "type": "SoldOut", "message": "SoldOut"}) == "SoldOut"
