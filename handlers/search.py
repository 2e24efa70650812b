"""REST: searching in what was said."""

from __future__ import annotations

from typing import Any

from handlers import reactions
from handlers.http import Call
from handlers.search_wire import SearchMessages
from rooms import search
from rooms.rules import BIGGEST_TIME, DEFAULT_SERVER_ID
from rooms.search import Search


async def find(call: Call[SearchMessages]) -> dict[str, Any]:
    """Answer the messages that say what is looked for, the newest first."""
    body = call.body
    wish = Search(
        principal=call.principal,
        server_id=body.messageServerId or DEFAULT_SERVER_ID,
        text=body.query or "",
        channel_id=body.channelId,
        author_id=body.authorId,
        since=body.since or 0,
        until=BIGGEST_TIME if body.until is None else body.until,
        limit=body.size,
        offset=body.skipped,
    )
    found = await search.search(call.ctx, wish)
    return {
        "messages": await reactions.view(call, found.messages),
        "pagination": {"limit": wish.limit, "offset": wish.offset, "hasMore": found.has_more},
        "searchedTo": found.searched_to,
    }
