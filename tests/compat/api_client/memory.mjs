// memory.*: what an agent has heard and said, by elizaOS's words.

import assert from "node:assert/strict";
import { NIL, UUID, assertHas, assertRefused, eventually, newChannel, say, unique } from "./expecting.mjs";

// Makes a room with something said and answered in it.
async function newRoom(t, text = "hello") {
  const room = await newChannel(t, t.entity, t.agent);
  const asked = await say(t, room, t.entity, text);
  const read = () => t.client.memory.getRoomMemories(t.agent, room);
  await eventually(read, ({ memories }) => memories.length === 2);
  return { room, asked };
}

const words = ({ memories }) => memories.map(({ content }) => content.text).sort();

export const memory = {
  async "what was said in a room is what the agent remembers of it"(t) {
    const { client, agent, entity } = t;
    const { room, asked } = await newRoom(t);
    const remembered = await client.memory.getRoomMemories(agent, room, { limit: 10 });
    assert.deepEqual(words(remembered), ["You said: hello", "hello"]);
    assertHas(
      remembered.memories.find(({ id }) => id === asked.id),
      { entityId: entity, agentId: agent, roomId: room },
    );
    assert.deepEqual(
      words(await client.memory.getAgentInternalMemories(agent, room, false)),
      words(remembered),
    );
    const { memories } = await client.memory.getAgentMemories(agent, { limit: 50 });
    assert.ok(memories.some(({ id }) => id === asked.id));
  },

  async "rooms are the agent's channels"(t) {
    const { client, agent } = t;
    const { room } = await newRoom(t);
    const { rooms } = await client.memory.listAgentRooms(agent);
    assert.ok(rooms.some(({ id }) => id === room));
    assertHas(await client.memory.getRoom(agent, room), { id: room });
    const name = unique("room");
    const made = await client.memory.createRoom(agent, { name, type: "GROUP", metadata: { topic: "tea" } });
    assert.match(made.id, UUID);
    assertHas(made, { name, type: "GROUP" });
    assertHas(await client.memory.getRoom(agent, made.id), { id: made.id, name });
  },

  async "a memory is changed and deleted as the message that it is"(t) {
    const { client, agent } = t;
    const { room, asked } = await newRoom(t);
    const changed = await client.memory.updateMemory(agent, asked.id, { content: { text: "hallo" } });
    assertHas(changed, { id: asked.id, agentId: agent, roomId: room });
    assert.equal(changed.content.text, "hallo");
    assert.equal((await client.messaging.getMessage(asked.id)).content, "hallo");
    assertHas(
      await client.memory.updateAgentInternalMemory(agent, asked.id, { content: { text: "hullo" } }),
      { id: asked.id },
    );
    assert.equal((await client.messaging.getMessage(asked.id)).content, "hullo");
    assertHas(await client.memory.deleteMemory(agent, asked.id), { success: true });
    assert.deepEqual(words(await client.memory.getRoomMemories(agent, room)), ["You said: hello"]);
    const [answer] = (await client.memory.getRoomMemories(agent, room)).memories;
    assertHas(await client.memory.deleteAgentInternalMemory(agent, answer.id), { success: true });
    assert.deepEqual(words(await client.memory.getRoomMemories(agent, room)), []);
  },

  async "a room's memories are cleared"(t) {
    const { client, agent } = t;
    for (const clear of [client.memory.clearRoomMemories, client.memory.deleteAllAgentInternalMemories]) {
      const { room } = await newRoom(t);
      assertHas(await clear(agent, room), { success: true });
      assert.deepEqual(words(await client.memory.getRoomMemories(agent, room)), []);
    }
  },

  async "a group's messages are deleted, one or all"(t) {
    const { client } = t;
    const { room, asked } = await newRoom(t);
    assert.deepEqual(await client.memory.deleteGroupMemory(room, asked.id), { success: true });
    assert.deepEqual(
      (await client.messaging.getChannelMessages(room)).messages.map(({ content }) => content),
      ["You said: hello"],
    );
    await client.memory.clearGroupChat(room);
    assert.deepEqual((await client.messaging.getChannelMessages(room)).messages, []);
  },

  async "all that an agent remembers, or a world, is cleared"(t) {
    const { client, agent, entity } = t;
    const { room } = await newRoom(t);
    const cleared = await client.memory.clearAgentMemories(agent);
    assert.ok(cleared.deleted >= 2, JSON.stringify(cleared));
    assert.deepEqual(words(await client.memory.getRoomMemories(agent, room)), []);
    const elsewhere = await newChannel(t, entity);
    await say(t, elsewhere, entity, "hello");
    await client.memory.clearWorldMemories(NIL);
    assert.deepEqual((await client.messaging.getChannelMessages(elsewhere)).messages, []);
  },
};
