"""What ends jobs: the reply of their agent, or the end of its run without one.

Noted in the commit in which it happens, so that nobody has to look for it. What comes after a job's time
ends it no more: it has told then that nothing had come.
"""

from __future__ import annotations

from rooms import store
from rooms.job_status import Status
from rooms.rows import Message, Run
from rooms.transaction import Transaction

SOURCE_TYPE = "job"  # of the channels of jobs
ACTION = "Executing action:"  # so agents begin what they say before they answer


def hear(transaction: Transaction, message: Message, *, is_reply: bool) -> None:
    """Note what an agent has said in the channel of a job.

    That ends the job if it is the reply of its run, or comes when that is over already, because its reply
    was only that the agent has begun with something.
    """
    if message.content.startswith(ACTION):
        return
    connection = transaction.connection
    if is_reply or not store.runs.list_open(connection, message.author_id, message.channel_id):
        store.jobs.end(connection, message.channel_id, transaction.now, Status.COMPLETED, reply_id=message.id)


def fail(transaction: Transaction, run: Run) -> None:
    """Note that a run, which may be a job's, has ended without a reply, or with a part of one."""
    reason = run.reason or run.state
    store.jobs.end(transaction.connection, run.channel_id, transaction.now, Status.FAILED, reason=reason)
