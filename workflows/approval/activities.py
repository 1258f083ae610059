"""How a person hears of it: here by a line on the terminal; yours may send mail."""

from __future__ import annotations

import perdure


@perdure.activity("RequestApproval")
def request_approval(subject: str, approver: str, ctx: perdure.Context) -> str:
    """Tell the approver how to answer; returns the message."""
    answer = f"perdure events send {ctx.instance_id} ApprovalResponse --data true"
    message = f"{approver}, please approve {subject}: {answer}"
    print(message, flush=True)
    return message
