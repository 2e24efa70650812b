"""The published contract of what elizaOS's agents tell of their actions."""

from __future__ import annotations

from handlers.parsing import Body
from rooms.rules import Content, Metadata, PrincipalId, RawMessage, Uuid


class ChangeAction(Body):
    """What is told of an action now; what is missing stays as it is.

    Whose action it is and what it answers stays, too, whatever is said of that.
    """

    content: Content | None = None
    raw_message: RawMessage | None = None
    metadata: Metadata | None = None
    author_id: PrincipalId | None = None
    in_reply_to_message_id: Uuid | None = None
