// Worlds, which are message servers here.

import assert from "node:assert/strict";
import { NIL, assertHas, unique } from "./expecting.mjs";

// Makes a world, and returns its id.
async function newWorld({ client: { memory } }) {
  const make = memory.createWorldFromMessageServer ?? memory.createWorldFromServer;
  const [id, name] = [crypto.randomUUID(), unique("world")];
  const made = await make(id, { messageServerId: id, name, description: "made for a test" });
  assertHas(made, { worldId: id, id, name });
  return id;
}

const list = async ({ client }) => (await client.agents.getWorlds()).worlds;

export const worlds = {
  async "worlds are the message servers"(t) {
    const id = await newWorld(t);
    const found = await list(t);
    assert.ok(found.some((world) => world.id === NIL));
    assertHas(
      found.find((world) => world.id === id),
      { messageServerId: id },
    );
  },

  async "an agent is in a world by a room of it, whose settings are changed"(t) {
    const { client, agent } = t;
    const worldId = await newWorld(t);
    await client.memory.createRoom(agent, { name: unique("room"), messageServerId: worldId });
    const added = await client.agents.addAgentToWorld(agent, worldId);
    assertHas(added, { success: true });
    assertHas(added.world, { id: worldId });
    const settings = { mood: "good" };
    assertHas(await client.agents.updateAgentWorldSettings(agent, worldId, settings), { worldId, settings });
  },

  async "a world is deleted"(t) {
    const id = await newWorld(t);
    assert.deepEqual(await t.client.memory.deleteWorld(id), { success: true });
    assert.ok((await list(t)).every((world) => world.id !== id));
  },
};
