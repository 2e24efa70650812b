// sessions.*

import assert from "node:assert/strict";
import { UUID, assertHas, assertIsoNow, assertRefused, eventually } from "./expecting.mjs";

const newSession = ({ client, agent, entity }) =>
  client.sessions.createSession({ agentId: agent, userId: entity, metadata: { platform: "test" } });

export const sessions = {
  async "a session is begun, read and listed"(t) {
    const { client, agent, entity } = t;
    const session = await newSession(t);
    assertHas(session, { agentId: agent, userId: entity });
    assertHas(session.metadata, { platform: "test" });
    assertIsoNow(session.createdAt);
    const { sessionId } = session;
    const read = await client.sessions.getSession(sessionId);
    assertHas(read, {
      sessionId,
      channelId: session.channelId,
      agentId: agent,
      userId: entity,
      createdAt: session.createdAt,
    });
    assertIsoNow(read.lastActivity);
    const { sessions, total } = await client.sessions.listSessions();
    assert.ok(sessions.some((one) => one.sessionId === sessionId));
    assert.ok(total >= 1);
    const health = await client.sessions.checkHealth();
    assertHas(health, { status: "healthy" });
    assert.ok(health.activeSessions >= 1);
    assertIsoNow(health.timestamp);
  },

  async "what is said in a session is answered at once, where elizaOS's client gets undefined"(t) {
    const { client, entity, agent } = t;
    const { sessionId } = await newSession(t);
    const sent = await client.sessions.sendMessage(sessionId, {
      content: "hello",
      metadata: { priority: "high" },
    });
    assert.match(sent.id, UUID);
    assertHas(sent, { success: true, content: "hello", authorId: entity });
    assertHas(sent.userMessage, { id: sent.id, content: "hello" });
    assertHas(sent.sessionStatus, { wasRenewed: true, isNearExpiration: false });
    const read = () => client.sessions.getMessages(sessionId);
    const { messages, hasMore } = await eventually(read, ({ messages }) => messages.length === 2);
    assertHas(messages[0], { content: "You said: hello", authorId: agent, isAgent: true });
    assertHas(messages[1], { id: sent.id, content: "hello", authorId: entity, isAgent: false });
    assertIsoNow(messages[1].createdAt);
    assert.equal(hasMore, false);
  },

  async "the reply is waited for"(t) {
    const { client, entity } = t;
    if (!client.sessions.sendMessageSync) return; // 1.5.7
    const { sessionId } = await newSession(t);
    const sent = await client.sessions.sendMessageSync(sessionId, { content: "hello" });
    assertHas(sent, { success: true });
    assertHas(sent.userMessage, { content: "hello" });
    assertHas(sent.agentResponse, { text: "You said: hello" });
    assert.equal(sent.authorId ?? sent.userMessage.author_id, entity);
    const { messages } = await client.sessions.getMessages(sessionId);
    assert.deepEqual(
      messages.map(({ content }) => content),
      ["You said: hello", "hello"],
    );
  },

  async "a conversation is read in pages"(t) {
    const { client } = t;
    const { sessionId } = await newSession(t);
    for (const content of ["one", "two"]) {
      await client.sessions.sendMessage(sessionId, { content });
      const read = () => client.sessions.getMessages(sessionId);
      await eventually(read, ({ messages }) => messages[0].content === `You said: ${content}`);
    }
    const first = await client.sessions.getMessages(sessionId, { limit: 2 });
    assert.deepEqual(
      first.messages.map(({ content }) => content),
      ["You said: two", "two"],
    );
    assert.equal(first.hasMore, true);
    const before = first.messages[1].createdAt;
    const second = await client.sessions.getMessages(sessionId, { before, limit: 2 });
    assert.deepEqual(
      second.messages.map(({ content }) => content),
      ["You said: one", "one"],
    );
    const after = await client.sessions.getMessages(sessionId, {
      after: new Date(Date.parse(second.messages[0].createdAt)),
    });
    assert.deepEqual(
      after.messages.map(({ content }) => content),
      ["You said: two", "two"],
    );
  },

  async "a session is ended, and then there is none"(t) {
    const { client } = t;
    const { sessionId } = await newSession(t);
    assertHas(await client.sessions.deleteSession(sessionId), { success: true });
    for (const call of [
      () => client.sessions.getSession(sessionId),
      () => client.sessions.sendMessage(sessionId, { content: "x" }),
    ])
      await assertRefused(call(), 404, "SESSION_NOT_FOUND");
  },
};
