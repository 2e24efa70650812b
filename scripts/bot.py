#!/usr/bin/env python3
"""A bot to begin your own from: it answers everybody in every channel that is open to it.

pip install "python-socketio[asyncio_client]"
export PARLEY_KEY=$(parley keys create --kind agent --id my-bot --name "My bot")
python bot.py   # PARLEY_URL says where Parley is, PARLEY_CHANNEL names the only channel to join
"""

import asyncio
import os
import sys

import socketio

URL, ONLY = os.environ.get("PARLEY_URL", "http://localhost:3000"), os.environ.get("PARLEY_CHANNEL")
AUTH = {"token": os.environ.get("PARLEY_KEY", "")}
SHOWN = 10  # names of channels; each session and each job has one


def answer(text: str) -> str:
    """Return what to say to a message: the function to replace."""
    return f"You said: {text}"


class Bot(socketio.AsyncClientNamespace):
    """What the bot does about the events of the server."""

    async def on_ready(self, ready: dict, *_: object) -> None:
        """Join the channels that are open to everybody."""
        self.on_cursor(ready["cursor"])
        joined = [channel for channel in ready["joinable"] if ONLY in (None, channel["id"], channel["name"])]
        for channel in joined:
            await self.ask("join", {"channel_id": channel["id"]})
        names = [channel["name"] for channel in ready["channels"] + joined]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        print("Listening in:", ", ".join(names[:SHOWN]) + more)

    def on_cursor(self, cursor: str) -> None:
        """Keep where to go on from when it comes back, so that nothing is missed meanwhile."""
        AUTH["after"] = cursor

    async def on_message(self, message: dict, cursor: str) -> None:
        """Answer people and no agents: two bots that answer each other never stop."""
        self.on_cursor(cursor)
        if message["userId"]:
            said = await asyncio.to_thread(answer, message["text"])  # The connection lives on.
            reply = {"in_reply_to_message_id": message["id"], "messageId": f"reply-to-{message['id']}"}
            await self.ask("submit", {"channel_id": message["channel_id"], "content": said, **reply})

    def on_connect_error(self, reason: str | dict) -> None:
        """Say why there is no connection."""
        print(f"No connection to {URL}: {reason['data']['details'] if isinstance(reason, dict) else reason}.")

    async def ask(self, event: str, payload: dict) -> None:
        """Send an event, and tell if the server refuses it."""
        ack = None
        while ack is None:
            try:
                ack = await self.call(event, payload, timeout=10)
            except socketio.exceptions.SocketIOError:  # The server is away, or went before it had answered.
                await asyncio.sleep(1)
        if not ack["success"]:
            print("Refused: {message}: {details}.".format(**ack["error"]))


async def main() -> None:
    """Answer until Ctrl-C, and come back whenever the server does."""
    client = socketio.AsyncClient(handle_sigint=False)
    client.register_namespace(Bot("/servers/00000000-0000-0000-0000-000000000000"))
    try:
        while True:
            await client.connect(URL, auth=AUTH, transports=["websocket"], wait_timeout=10, retry=True)
            await asyncio.shield(client.wait())  # Ctrl-C must leave it the means to disconnect.
    finally:
        await client.disconnect()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, socketio.exceptions.ConnectionError):
        sys.exit("The bot has ended.")
