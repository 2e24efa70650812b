"""Clients that say something, and repeat it until it is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from chaos.history import Submission
from chaos.site import Answer, Site
from chaos.sockets import SocketDoor

PAUSE_SECONDS = 0.2  # at most, between what one author says
EDITED, DELETED, REPEATED = 0.1, 0.05, 0.1  # chances of what comes after


class Author:
    """One principal that submits, edits and deletes; over its socket, if it has one, in turn with REST."""

    def __init__(
        self,
        site: Site,
        principal_id: str,
        channels: Sequence[str],
        door: SocketDoor | None = None,
        *,
        directly: bool = False,
    ) -> None:
        self.submissions: list[Submission] = []
        self.is_over = False
        self._site = site
        self._id = principal_id
        self._token = site.keys.token(principal_id)
        self._channels = channels
        self._door = door
        self._directly = directly

    async def run(self) -> None:
        """Talk until ``is_over``; what was begun then is finished."""
        dice = self._site.dice
        while not self.is_over:
            submission = await self.say(dice.choice(self._channels))
            chance = dice.random()
            if chance < DELETED:
                await self._delete(submission)
            elif chance < DELETED + EDITED:
                await self._edit(submission)
            elif chance < DELETED + EDITED + REPEATED:
                await self._repeat(submission)
            await asyncio.sleep(dice.uniform(0, PAUSE_SECONDS))

    async def say(self, channel_id: str) -> Submission:
        """Submit a message and return it once it is acknowledged."""
        key = f"{self._id}-{len(self.submissions)}"
        submission = Submission(self._id, channel_id, key, f"{key} said in chaos")
        self.submissions.append(submission)
        answer = await self._submit(submission)
        submission.message_id, submission.seq = answer.data["id"], answer.data["seq"]
        return submission

    async def _submit(self, submission: Submission) -> Answer:
        body = {"channel_id": submission.channel_id, "content": submission.text, "messageId": submission.key}
        return await self._site.until_answered(lambda: self._send("submit", "POST", "/submit", body))

    async def _repeat(self, submission: Submission) -> None:
        """Submit it once more, which must be answered as it was at first."""
        answer = await self._submit(submission)
        if (answer.data["id"], answer.data["seq"]) != (submission.message_id, submission.seq):
            self._site.surprises.append(f"{submission.key} was answered otherwise the second time")

    async def _edit(self, submission: Submission) -> None:
        path, text = f"/messages/{submission.message_id}", f"{submission.key} said otherwise"
        body = {"message_id": submission.message_id, "content": text}
        submission.is_open = True
        await self._site.until_answered(lambda: self._send("edit", "PATCH", path, body))
        submission.text, submission.is_open = text, False

    async def _delete(self, submission: Submission) -> None:
        path, body = f"/messages/{submission.message_id}", {"message_id": submission.message_id}
        submission.is_open = True
        await self._site.until_answered(lambda: self._send("delete", "DELETE", path, body))
        submission.text, submission.deleted_at, submission.is_open = "", time.monotonic(), False

    async def _send(self, event: str, method: str, path: str, body: Mapping[str, str | None]) -> Answer:
        line = self._door.line if self._door is not None else None
        if line is not None and self._site.dice.random() < 0.5:
            return await line.call(event, body)
        rest = {name: value for name, value in body.items() if name != "message_id"} or None
        return await self._site.ask(method, path, self._token, rest, directly=self._directly)
