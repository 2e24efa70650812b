"""Answer whatever waits in an agent's inbox, without a library: PARLEY_KEY=... python inbox_bot.py my-bot."""

import json
import os
import sys
import time
from http.client import HTTPException
from urllib.request import Request, urlopen

URL = os.environ.get("PARLEY_URL", "http://localhost:3000") + "/api/messaging"
HEADERS = {"Authorization": f"Bearer {os.environ['PARLEY_KEY']}", "Content-Type": "application/json"}


def send(path: str, **body: str) -> None:
    """Send a request; what refuses it is an OSError."""
    urlopen(Request(f"{URL}/{path}", json.dumps(body).encode(), HEADERS), timeout=30).close()


def answer(run: dict, message: dict) -> None:
    """Say something to a person's message, unless another process of the agent has its run."""
    try:
        send(f"runs/{run['id']}/claim", holder=f"process {os.getpid()}")
        said = {"response": f"You said: {message['text']}"} if message["userId"] else {}  # agents would go on
        send("complete", run_id=run["id"], **said)
    except OSError as error:
        print("Not answered:", error)


while True:
    try:
        for line in urlopen(Request(f"{URL}/agents/{sys.argv[1]}/inbox", headers=HEADERS), timeout=60):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                HEADERS["Last-Event-ID"] = value  # where to go on after a break
            elif name == "data" and "message" in (told := json.loads(value)):
                answer(**told)
    except (OSError, HTTPException) as error:
        print("Away:", error)
    time.sleep(2)
