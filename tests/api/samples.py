"""For each route of the table, a request that succeeds."""

import io
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from handlers.http import Route
from handlers.routes import ALL_ROUTES
from rooms import keys, store
from rooms.ids import new_id
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests import platforms
from tests.rest import Reply, Rest
from tests.running import Parley

_numbers = itertools.count(1)

# What takes an agent away.
OUSTING = {
    ("DELETE", "/api/messaging/channels/{channel_id}/agents/{agent_id}"),
    ("DELETE", "/api/messaging/message-servers/{server_id}/agents/{agent_id}"),
}
# What nothing that comes later may need.
SPARE = {
    ("DELETE", "/api/messaging/message-servers/{server_id}"),
    ("DELETE", "/api/messaging/channels/{channel_id}"),
    ("DELETE", "/api/messaging/channels/{channel_id}/messages"),
}
# What only people decide.
NOT_FOR_SERVICES = {("POST", "/api/messaging/approvals/{message_id}/resolve")}
_NEW_PLATFORM = {
    "kind": "twitter",
    "agent_id": "bot",
    "secrets": {use: use for use in platforms.SECRETS["twitter"]},
}
WITH_BODY = [route for route in ALL_ROUTES if route.body is not None]
PRIVATE = [route for route in ALL_ROUTES if not route.public]


def name(route: Route) -> str:
    """Return what a failing test calls the route."""
    return f"{route.method} {route.path}"


def spellings(route: Route) -> tuple[str, ...]:
    """Return every path under which the route is found."""
    return (route.path, *route.aliases, *route.deprecated)


@dataclass(frozen=True)
class World:
    """What the samples refer to: a channel of the default server, with one participant and an agent.

    The message is one that may be deleted; the run is another message's. The approval is one that the
    participant may decide. The spares are a channel and a server that may be cleared and deleted. The guest
    is an agent that may be taken out of the channel. The platform is one of X, with a reply that could not
    be sent there.
    """

    parley: Parley
    channel_id: str
    message_id: str
    run_id: str
    delivery_id: str
    approval_id: str
    session_id: str
    action_id: str
    spare_id: str
    spare_server_id: str
    job_id: str
    platform_id: str
    reply_id: str
    member: str = "ann"
    agent: str = "bot"
    guest: str = "guest-bot"
    secret: str = "token"

    def path(self, route: Route, spelling: str | None = None) -> str:
        """Return the route's path about the things of this world; one that can wait does not."""
        key = (route.method, route.path)
        agent_id = self.guest if key in OUSTING else self.agent
        is_end = key == ("DELETE", "/api/agents/{agent_id}")
        path = (spelling or route.path).format(
            channel_id=self.spare_id if key in SPARE else self.channel_id,
            message_id=self._message_of(route),
            run_id=self.run_id,
            delivery_id=self.reply_id if "/platforms/" in route.path else self.delivery_id,
            platform_id=self.platform_id,
            session_id=self.session_id,
            memory_id=self.action_id,
            room_id=self.channel_id,
            world_id=DEFAULT_SERVER_ID,
            job_id=self.job_id,
            server_id=self.spare_server_id if key in SPARE else DEFAULT_SERVER_ID,
            entity_id=self.member,
            name=self.secret,
            agent_id="doomed" if is_end else agent_id,
            emoji="👍",
        )
        query = "wait=0" if route.waits else QUERIES.get(key)
        return f"{path}?{query}" if query else path

    def _message_of(self, route: Route) -> str:
        """Return a message that the route is about."""
        if "/approvals/" in route.path:
            return self.approval_id
        return self.action_id if "/action/" in route.path else self.message_id

    async def request(self, client: Rest, route: Route, spelling: str | None = None) -> Reply:
        """Send the route's sample, as the participant where only who takes part may."""
        if route.path.endswith("/read"):
            client = client.having(X_Entity_Id=self.member)
        if (route.method, route.path) in OUSTING:
            await self.parley.service.add(self.channel_id, self.guest)
        body = await BODIES[route.method, route.path](self) if route.body else None
        if (route.method, route.path) in NOT_FOR_SERVICES and client.secret is not None:
            client = await self._as_member(client)
        path = self.path(route, spelling)
        options: dict[str, Any] = {"json": body} if body else {}
        if route.takes_file:
            options["data"] = aiohttp.FormData({"file": io.BytesIO(b"a text")})
        if route.guards_itself and route.method == "POST":
            options |= {"data": b"{}", "headers": platforms.twitter({}, 0).headers}
        return await client.request(route.method, path, **options)

    async def _as_member(self, client: Rest) -> Rest:
        """Return a client of the participant's, in the dialect of another."""
        member = await self.parley.user(self.member)
        return member if "Authorization" in client.headers else member.in_elizas_dialect()


async def new_world(parley: Parley) -> World:
    """Create what the samples refer to, with four messages in it."""
    await parley.key(Kind.AGENT, World.agent)
    await parley.key(Kind.AGENT, World.guest)
    await parley.key(Kind.AGENT, "doomed")
    channel_id = await parley.service.new_channel(f"samples-{next(_numbers)}", World.member, World.agent)
    first, second = [
        (await parley.service.submit(channel_id, text, author_id=World.member)).data["id"]
        for text in ("first", "second")
    ]
    run_id = await _run_of(parley, first)
    dead = await _dead_delivery(parley, run_id)
    platform_id = await _platform_of_x(parley)
    reply_id = await _dead_delivery(parley, await _run_of(parley, second), platform_id)
    asking = {"author_id": World.agent, "approval": {"options": ["yes", "no"], "expires_in": 60}}
    third = (await parley.service.submit(channel_id, "third?", **asking)).data["id"]
    await parley.service.request("PUT", f"/api/messaging/secrets/{World.secret}", json=await _secret(None))
    session = {"agentId": World.agent, "userId": World.member}
    session_id = (await parley.service.post("/api/messaging/sessions", session)).body["sessionId"]
    doing = {"channel_id": channel_id, "author_id": World.agent, "content": "Executing action: LOOK"}
    action_id = (await parley.service.post("/api/messaging/action", doing)).data["id"]
    spare_server = await parley.service.post("/api/messaging/message-servers", {"name": "spare"})
    spare_id = await parley.service.new_channel(f"spare-{next(_numbers)}", World.member)
    job = {"agentId": World.agent, "userId": World.member, "content": "well?"}
    job_id = (await parley.service.post("/api/messaging/jobs", job)).body["jobId"]
    return World(
        parley,
        channel_id,
        second,
        run_id,
        dead,
        third,
        session_id,
        action_id,
        spare_id,
        spare_server.data["id"],
        job_id,
        platform_id,
        reply_id,
    )


async def _run_of(parley: Parley, message_id: str) -> str:
    found = await parley.service.get(f"/api/messaging/messages/{message_id}/runs")
    run_id: str = found.data["runs"][0]["id"]
    return run_id


async def _platform_of_x(parley: Parley) -> str:
    values = platforms.SECRETS["twitter"]
    for use, value in values.items():
        path = f"/api/messaging/secrets/{use}"
        await parley.service.request("PUT", path, json={"value": value})
        await parley.service.request("PUT", f"{path}/grants/{World.agent}")
    return str((await parley.service.post("/api/messaging/platforms", _NEW_PLATFORM)).data["id"])


async def _dead_delivery(parley: Parley, run_id: str, platform_id: str | None = None) -> str:
    row: dict[str, Any] = {
        "id": new_id(),
        "agent_id": World.agent,
        "run_id": run_id,
        "state": "dead",
        "attempts": 5,
    }
    row |= {"error": "status_500", "created_at": parley.node.ctx.now(), "due_at": None}
    row |= {"platform_id": platform_id, "address": {"user_id": "5"} if platform_id else None}
    await parley.node.ctx.database.write(lambda connection: store.deliveries.add(connection, [row]))
    return str(row["id"])


async def _message(world: World) -> dict[str, Any]:
    return {"channel_id": world.channel_id, "author_id": world.member, "content": "hello"}


async def _batch(world: World) -> dict[str, Any]:
    return {"messages": [await _message(world), {"channel_id": world.channel_id}]}


async def _completion(world: World) -> dict[str, Any]:
    stored = (await world.parley.service.submit(world.channel_id, "well?", author_id=world.member)).data
    return {"run_id": await _run_of(world.parley, stored["id"]), "response": "well."}


async def _nothing(_world: World) -> dict[str, Any]:
    return {"more": "ignored"}


async def _chunk(_world: World) -> dict[str, Any]:
    return {"index": 0, "chunk": "well"}


async def _choice(_world: World) -> dict[str, Any]:
    return {"option": "yes"}


async def _edit(_world: World) -> dict[str, Any]:
    return {"content": "changed"}


async def _character(_world: World) -> dict[str, Any]:
    return {"characterJson": {"name": "Ada", "bio": ["Counts.", "Adds."], "system": "You are Ada."}}


async def _memory(_world: World) -> dict[str, Any]:
    return {"content": {"text": "changed"}}


async def _world(_world: World) -> dict[str, Any]:
    return {"worldId": DEFAULT_SERVER_ID, "name": "A world"}


async def _settings(_world: World) -> dict[str, Any]:
    return {"settings": {"language": "en"}}


async def _room(_world: World) -> dict[str, Any]:
    return {"name": "A room"}


async def _traits(_world: World) -> dict[str, Any]:
    return {"topics": ["numbers"], "settings": {"voice": {"model": "low"}}}


async def _server(_world: World) -> dict[str, Any]:
    return {"name": "Acme", "metadata": {"plan": "free"}}


async def _channel(_world: World) -> dict[str, Any]:
    return {"name": f"new-{next(_numbers)}", "serverId": DEFAULT_SERVER_ID, "description": "A new one"}


async def _rename_channel(_world: World) -> dict[str, Any]:
    return {"description": "Another one", "metadata": {"colour": "red"}}


async def _seat(world: World) -> dict[str, Any]:
    return {"agentId": world.agent}


async def _sync(_world: World) -> dict[str, Any]:
    return {"channels": [{"name": "tea", "type": "GROUP", "sourceId": "42"}]}


async def _participant(_world: World) -> dict[str, Any]:
    return {"userId": f"guest-{next(_numbers)}"}


async def _place(_world: World) -> dict[str, Any]:
    return {"seq": 1}


async def _rename(_world: World) -> dict[str, Any]:
    return {"name": "Somebody", "handle": f"somebody.{next(_numbers)}"}


async def _webhook(_world: World) -> dict[str, Any]:
    return {"url": "https://agents.example/hook"}


async def _secret(_world: World | None) -> dict[str, Any]:
    return {"value": "what only the vault knows"}


async def _platform(_world: World) -> dict[str, Any]:
    return _NEW_PLATFORM


async def _agent(_world: World) -> dict[str, Any]:
    return {"bio": "I count.", "capabilities": ["count"], "settings": {"model": "small"}}


async def _mute(_world: World) -> dict[str, Any]:
    return {"reason": "quiet, please", "minutes": 5}


async def _session(world: World) -> dict[str, Any]:
    return {"agentId": world.agent, "userId": world.member, "timeoutConfig": {"timeoutMinutes": "20"}}


async def _external(world: World) -> dict[str, Any]:
    whose = {
        "platform": "telegram",
        "channelId": "-1001",
        "userId": "77",
        "metadata": {"agentId": world.agent},
    }
    return {**whose, "messageId": f"-1001:{next(_numbers)}", "content": "hello"}


async def _ingested(world: World) -> dict[str, Any]:
    about = {"source_type": "discord", "source_id": f"{next(_numbers)}", "metadata": {"agentId": world.agent}}
    return {
        **about,
        "channel_id": "general",
        "server_id": DEFAULT_SERVER_ID,
        "author_id": "77",
        "content": "hi",
    }


async def _job(world: World) -> dict[str, Any]:
    return {"userId": world.member, "agentId": world.agent, "content": "well?", "timeoutMs": 60_000}


async def _utterance(_world: World) -> dict[str, Any]:
    return {"content": "hello"}


async def _post(world: World) -> dict[str, Any]:
    return {"content": "hello", "author_id": world.member, "message_server_id": DEFAULT_SERVER_ID}


async def _title(world: World) -> dict[str, Any]:
    return {"agentId": world.agent}


async def _search(_world: World) -> dict[str, Any]:
    return {"query": "first", "from": "2020-01-01T00:00:00.000Z", "limit": 5}


async def _action(world: World) -> dict[str, Any]:
    return {"channel_id": world.channel_id, "author_id": world.agent, "content": "Executing action: LOOK"}


async def _progress_of_action(_world: World) -> dict[str, Any]:
    return {"raw_message": {"actionStatus": "completed"}}


async def _timeout(_world: World) -> dict[str, Any]:
    return {"timeoutMinutes": 60}


async def _code(world: World) -> dict[str, Any]:
    return {"code": await keys.create_sign_in_code(world.parley.node.ctx, "owner")}


QUERIES = {
    ("GET", "/api/platforms/{platform_id}/incoming"): "crc_token=token",
    ("GET", "/api/messaging/dm-channel"): f"currentUserId={World.member}&targetUserId={World.agent}",
    ("POST", "/api/messaging/external-messages"): "wait=0",
}

BODIES: dict[tuple[str, str], Callable[[World], Awaitable[dict[str, Any]]]] = {
    ("POST", "/api/messaging/submit"): _message,
    ("POST", "/api/messaging/submit/batch"): _batch,
    ("PATCH", "/api/messaging/messages/{message_id}"): _edit,
    ("POST", "/api/messaging/complete"): _completion,
    ("POST", "/api/messaging/external-messages"): _external,
    ("POST", "/api/messaging/ingest-external"): _ingested,
    ("POST", "/api/messaging/runs/{run_id}/claim"): _nothing,
    ("POST", "/api/messaging/runs/{run_id}/progress"): _nothing,
    ("POST", "/api/messaging/runs/{run_id}/chunks"): _chunk,
    ("POST", "/api/messaging/runs/{run_id}/cancel"): _nothing,
    ("POST", "/api/messaging/approvals/{message_id}/resolve"): _choice,
    ("POST", "/api/messaging/message-servers"): _server,
    ("POST", "/api/messaging/central-channels"): _channel,
    ("PATCH", "/api/messaging/channels/{channel_id}"): _rename_channel,
    ("POST", "/api/messaging/message-servers/{server_id}/agents"): _seat,
    ("POST", "/api/messaging/message-servers/{server_id}/sync-channels"): _sync,
    ("POST", "/api/messaging/channels/{channel_id}/agents"): _seat,
    ("POST", "/api/messaging/channels/{channel_id}/participants"): _participant,
    ("PUT", "/api/messaging/channels/{channel_id}/read"): _place,
    ("PATCH", "/api/messaging/entities/me"): _rename,
    ("PATCH", "/api/messaging/entities/{entity_id}"): _rename,
    ("PUT", "/api/messaging/agents/{agent_id}/webhook"): _webhook,
    ("PUT", "/api/messaging/secrets/{name}"): _secret,
    ("POST", "/api/messaging/platforms"): _platform,
    ("PATCH", "/api/messaging/platforms/{platform_id}"): _nothing,
    ("PUT", "/api/messaging/channels/{channel_id}/agents/{agent_id}/mute"): _mute,
    ("PUT", "/api/messaging/agents/{agent_id}"): _agent,
    ("PATCH", "/api/messaging/agents/{agent_id}"): _agent,
    ("POST", "/api/messaging/jobs"): _job,
    ("POST", "/api/messaging/sessions"): _session,
    ("POST", "/api/messaging/sessions/{session_id}/messages"): _utterance,
    ("POST", "/api/messaging/channels/{channel_id}/messages"): _post,
    ("POST", "/api/messaging/messages/search"): _search,
    ("POST", "/api/messaging/channels/{channel_id}/generate-title"): _title,
    ("POST", "/api/messaging/action"): _action,
    ("PATCH", "/api/messaging/action/{message_id}"): _progress_of_action,
    ("PATCH", "/api/messaging/sessions/{session_id}/timeout"): _timeout,
    ("POST", "/api/auth/sign-in"): _code,
    ("POST", "/api/agents"): _character,
    ("POST", "/api/agents/{agent_id}/worlds"): _world,
    ("PATCH", "/api/agents/{agent_id}/worlds/{world_id}"): _settings,
    ("POST", "/api/memory/groups/{server_id}"): _world,
    ("PATCH", "/api/memory/{agent_id}/memories/{memory_id}"): _memory,
    ("POST", "/api/memory/{agent_id}/rooms"): _room,
    ("PATCH", "/api/agents/{agent_id}"): _traits,
}
