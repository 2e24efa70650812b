// What is said in channels.

import assert from "node:assert/strict";
import {
  NIL,
  UUID,
  assertHas,
  assertIsoNow,
  assertRefused,
  eventually,
  newChannel,
  say,
  unique,
} from "./expecting.mjs";

const texts = async ({ client }, id, params) =>
  (await client.messaging.getChannelMessages(id, params)).messages.map(({ content }) => content);

// Says each text in a millisecond of its own.
async function sayInTurn(t, id, author, ...said) {
  const messages = [];
  for (const text of said) {
    messages.push(await say(t, id, author, text));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return messages;
}

export const messages = {
  async "a message is submitted as agents do it, and read again"(t) {
    const { client, entity } = t;
    const id = await newChannel(t, entity);
    const said = await say(t, id, entity, "hello");
    assert.match(said.id, UUID);
    assertHas(said, { channelId: id, authorId: entity, content: "hello", sourceType: "client_chat" });
    assertIsoNow(said.createdAt);
    assertIsoNow(said.updatedAt);
    const read = await client.messaging.getMessage(said.id);
    assertHas(read, {
      id: said.id,
      channelId: id,
      authorId: entity,
      content: "hello",
      createdAt: said.createdAt,
    });
  },

  async "a message is submitted as the client's types have it, which elizaOS refuses"(t) {
    const { client, agent, entity } = t;
    const id = await newChannel(t, entity, agent);
    const asked = await say(t, id, entity, "who are you?");
    const params = {
      agentId: agent,
      channelId: id,
      content: "an agent",
      inReplyToMessageId: asked.id,
      metadata: { thought: "hm" },
    };
    const said = await client.messaging.submitMessage(params);
    assertHas(said, {
      channelId: id,
      authorId: agent,
      content: "an agent",
      inReplyToRootMessageId: asked.id,
    });
    assertHas(said.metadata, { thought: "hm" });
  },

  async "a message is posted with nothing but its text, which elizaOS refuses"(t) {
    const { asEntity, entity } = t;
    const id = await newChannel(t, entity);
    const posted = await asEntity.messaging.postMessage(id, "hello", { mood: "good" });
    assert.match(posted.id, UUID);
    assertHas(posted, { channelId: id, authorId: entity, content: "hello" });
    assertHas(posted.metadata, { mood: "good" });
    assertIsoNow(posted.createdAt);
    assertHas(posted.userMessage, { id: posted.id, channel_id: id, author_id: entity, content: "hello" });
    assert.deepEqual(await texts(t, id), ["hello"]);
  },

  async "an agent answers what is posted, and its words are in the history"(t) {
    const { asEntity, client, agent, entity } = t;
    const id = await newChannel(t, entity, agent);
    await asEntity.messaging.postMessage(id, "hello");
    const read = () => client.messaging.getChannelMessages(id);
    const { messages } = await eventually(read, ({ messages }) => messages.length === 2);
    assertHas(messages[0], { content: "You said: hello", authorId: agent });
    assertHas(messages[0].metadata, { isAgent: true });
    assertHas(messages[1], { content: "hello", authorId: entity });
  },

  async "the end of an agent's work is told in each form"(t) {
    const { client, agent, entity, version } = t;
    const id = await newChannel(t, entity, agent);
    const server = version === "1.5.7" ? { server_id: NIL } : { message_server_id: NIL };
    assertHas(await client.messaging.completeMessage({ channel_id: id, ...server }), { success: true });
    const asked = await say(t, id, entity, "hello");
    await eventually(
      () => texts(t, id),
      (said) => said.length === 2,
    );
    const prompt = { agentId: agent, roomId: id, userId: entity, prompt: "hello" };
    assertHas(await client.messaging.completeMessage(prompt), { response: "You said: hello" });
    const typed = { messageId: asked.id, status: "completed" };
    assertHas(await client.messaging.completeMessage(typed), { success: true });
  },

  async "messages of other platforms are taken in as elizaOS's server takes them"(t) {
    const { client, entity, version } = t;
    const id = await newChannel(t, entity);
    const server = version === "1.5.7" ? { server_id: NIL } : { message_server_id: NIL };
    const body = {
      channel_id: id,
      ...server,
      author_id: entity,
      content: "from afar",
      source_type: "discord",
      source_id: "d-1",
    };
    const first = await client.messaging.ingestExternalMessages(body);
    assert.match(first.messageId, UUID);
    assert.deepEqual(await texts(t, id), ["from afar"]);
    const again = await client.messaging.ingestExternalMessages(body);
    assert.equal(again.messageId, first.messageId);
    assert.deepEqual(await texts(t, id), ["from afar"]);
  },

  async "messages of other platforms are taken in as the client's types have them, which elizaOS refuses"(t) {
    const { client, agent } = t;
    const about = { authorId: "user-9", timestamp: Date.now(), metadata: { agentId: agent } };
    const messages = ["one", "two"].map((content) => ({ id: unique(content), content, ...about }));
    const body = { platform: "discord", channelId: unique("guild"), messages };
    for (let time = 0; time < 2; time += 1) {
      const { processed, channelId } = await client.messaging.ingestExternalMessages(body);
      assert.equal(processed, 2);
      const said = (await texts(t, channelId)).filter((text) => !text.startsWith("You said"));
      assert.deepEqual(said, ["two", "one"]);
    }
  },

  async "a history is read in pages, by dates of every form"(t) {
    const { client, entity } = t;
    const id = await newChannel(t, entity);
    const [, second] = await sayInTurn(t, id, entity, "one", "two", "three");
    assert.deepEqual(await texts(t, id), ["three", "two", "one"]);
    assert.deepEqual(await texts(t, id, { limit: 2 }), ["three", "two"]);
    assert.deepEqual(await texts(t, id, { before: second.createdAt }), ["one"]);
    assert.deepEqual(await texts(t, id, { before: Date.parse(second.createdAt) }), ["one"]);
    assert.deepEqual(await texts(t, id, { after: second.createdAt }), ["three"]);
    // The client puts a Date into the address as String(date) has it, in whole seconds.
    assert.deepEqual(await texts(t, id, { before: new Date(Date.now() + 60_000) }), ["three", "two", "one"]);
    assert.deepEqual(await texts(t, id, { before: new Date(Date.now() - 60_000) }), []);
    const [row] = (await client.messaging.getChannelMessages(id, { limit: 1 })).messages;
    assertHas(row, { channelId: id, authorId: entity });
    assert.equal(row.created_at, Date.parse(row.createdAt));
  },

  async "a message is edited, which elizaOS has no route for"(t) {
    const { client, entity } = t;
    const id = await newChannel(t, entity);
    const said = await say(t, id, entity, "helo");
    const edited = await client.messaging.updateMessage(said.id, "hello");
    assertHas(edited, {
      id: said.id,
      channelId: id,
      authorId: entity,
      content: "hello",
      createdAt: said.createdAt,
    });
    assert.deepEqual(await texts(t, id), ["hello"]);
  },

  async "a message is deleted in its own channel only"(t) {
    const { client, entity } = t;
    const [id, elsewhere] = [await newChannel(t, entity), await newChannel(t, entity)];
    const said = await say(t, id, entity, "hello");
    await assertRefused(client.messaging.deleteMessage(elsewhere, said.id), 404, "RESOURCE_NOT_FOUND");
    assert.deepEqual(await texts(t, id), ["hello"]);
    assert.deepEqual(await client.messaging.deleteMessage(id, said.id), { success: true });
    assert.deepEqual(await texts(t, id), []);
    await assertRefused(client.messaging.getMessage(said.id), 404, "RESOURCE_NOT_FOUND");
  },

  async "messages are searched, which elizaOS has no route for"(t) {
    const { client, entity, other } = t;
    const id = await newChannel(t, entity, other);
    const word = unique("zebra").replaceAll("-", "");
    await say(t, id, entity, `a ${word} at dawn`);
    await say(t, id, other, `two of ${word}`);
    await say(t, id, other, "nothing");
    const search = async (params) => (await client.messaging.searchMessages(params)).messages;
    const found = await search({ query: word, channelId: id });
    assert.deepEqual(found.map(({ content }) => content).sort(), [`a ${word} at dawn`, `two of ${word}`]);
    const [only] = await search({ query: word, channelId: id, authorId: other });
    assertHas(only, { content: `two of ${word}`, authorId: other, channelId: id });
    assert.deepEqual(await search({ query: word, channelId: id, to: new Date(Date.now() - 60_000) }), []);
    assert.equal((await search({ query: word, limit: 1 })).length, 1);
  },

  async "a channel is given a title from what was said in it"(t) {
    const { client, agent, entity } = t;
    const id = await newChannel(t, entity);
    await say(t, id, entity, "hello");
    const none = await client.messaging.generateChannelTitle(id, agent);
    assertHas(none, { title: null, channelId: id });
    assert.match(none.reason, /messages/);
    for (const text of ["the volcano erupts", "a volcano of ash", "ash on the volcano", "volcano news"])
      await say(t, id, entity, text);
    const { title, channelId } = await client.messaging.generateChannelTitle(id, agent);
    assert.equal(channelId, id);
    assert.match(title, /volcano/i);
  },
};
