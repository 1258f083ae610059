"""How a person hears of it: here by a line in the log; yours may send mail."""

from __future__ import annotations

import logging

import perdure

_log = logging.getLogger("approval")


@perdure.activity("RequestApproval")
def request_approval(subject: str, approver: str, ctx: perdure.Context) -> str:
    """Tell the approver how to answer; returns the message."""
    answer = f"perdure events send {ctx.instance_id} ApprovalResponse --data true"
    message = f"{approver}, please approve {subject}: {answer}"
    _log.info(message)
    return message
