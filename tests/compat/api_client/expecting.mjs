// What the checks have in common.

import assert from "node:assert/strict";

export const NIL = "00000000-0000-0000-0000-000000000000";
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let count = 0;

// Returns a name that no other check has used.
export const unique = (name) => `${name}-${process.pid}-${(count += 1)}`;

// Checks that an object has these fields, each with this value; others may be there.
export function assertHas(actual, expected) {
  assert.equal(typeof actual, "object", `no object: ${JSON.stringify(actual)}`);
  const shown = Object.fromEntries(Object.keys(expected).map((key) => [key, actual?.[key]]));
  assert.deepEqual(shown, expected);
}

// Checks that this is a time of now, written as elizaOS writes it over REST.
export function assertIsoNow(value) {
  assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.now() - Date.parse(value)) < 60_000, `not now: ${value}`);
}

// Checks that this is a time of now in milliseconds.
export function assertMillisNow(value) {
  assert.equal(typeof value, "number");
  assert.ok(Math.abs(Date.now() - value) < 60_000, `not now: ${value}`);
}

// Checks that a call is refused with this status and code, and a sentence, as the client shows it.
export async function assertRefused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assertHas(error, { name: "ApiError", status, code });
    assert.ok(error.message.length > 5, error.message);
    return true;
  });
}

// Asks again until it holds: what an agent does takes its time.
export async function eventually(ask, holds, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    assert.ok(Date.now() < end, `it never came to be: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Creates a channel of these participants, and returns its id.
export async function newChannel({ client }, ...participantIds) {
  const channel = await client.messaging.createGroupChannel({ name: unique("channel"), participantIds });
  return channel.id;
}

// Says something as its author, and returns the message.
export function say({ client }, channelId, authorId, content) {
  return client.messaging.submitMessage({
    channel_id: channelId,
    message_server_id: NIL,
    author_id: authorId,
    content,
    source_type: "client_chat",
    raw_message: {},
  });
}
