// agents.*, but those about message servers.

import assert from "node:assert/strict";
import { UUID, assertHas, assertRefused, eventually, newChannel, say, unique } from "./expecting.mjs";

async function newAgent({ client }) {
  const name = unique("Ada");
  const { id } = await client.agents.createAgent({ characterJson: { name, bio: ["Counts.", "Computes."] } });
  return { id, name };
}

export const agents = {
  async "agents are listed with what the web client shows"({ client, agent }) {
    const { agents } = await client.agents.listAgents();
    assertHas(
      agents.find(({ id }) => id === agent),
      { name: "Echo", characterName: "Echo", bio: "", status: "active" },
    );
  },

  async "an agent is read"({ client, agent }) {
    assertHas(await client.agents.getAgent(agent), { id: agent, name: "Echo", status: "active" });
  },

  async "an unknown agent is not found"({ client }) {
    await assertRefused(client.agents.getAgent(crypto.randomUUID()), 404, "RESOURCE_NOT_FOUND");
  },

  async "an agent is created from a character, changed and deleted"({ client }) {
    const name = unique("Ada");
    const made = await client.agents.createAgent({ characterJson: { name, bio: ["Counts.", "Computes."] } });
    assert.match(made.id, UUID);
    assertHas(made.character, { name });
    assertHas(await client.agents.getAgent(made.id), { id: made.id, name });
    const again = unique("Ada");
    assertHas(await client.agents.updateAgent(made.id, { name: again, bio: "Writes." }), {
      id: made.id,
      name: again,
    });
    assert.equal((await client.agents.getAgent(made.id)).name, again);
    assert.deepEqual(await client.agents.deleteAgent(made.id), { success: true });
    const { agents } = await client.agents.listAgents();
    assert.equal(
      agents.find(({ id }) => id === made.id),
      undefined,
    );
  },

  async "an agent is created from the form of the settings page, under its own id"({ client }) {
    const agent = { id: crypto.randomUUID(), name: unique("Bob"), bio: "Builds." };
    const made = await client.agents.createAgent({ agent });
    assertHas(made, { id: agent.id });
    assertHas(made.character, { name: agent.name });
    await client.agents.deleteAgent(agent.id);
  },

  async "no file of the server is read for a character"({ client }) {
    await assertRefused(client.agents.createAgent({ characterPath: "/etc/passwd" }), 400, "VALIDATION_ERROR");
  },

  async "an agent is stopped and started"(t) {
    const { client } = t;
    const { id, name } = await newAgent(t);
    assertHas(await client.agents.stopAgent(id), { message: "Agent stopped", status: "inactive" });
    assert.equal((await client.agents.getAgent(id)).status, "inactive");
    assertHas(await client.agents.startAgent(id), { id, name, status: "active" });
    assert.equal((await client.agents.getAgent(id)).status, "active");
    await client.agents.deleteAgent(id);
  },

  async "an agent has no panels"({ client, agent }) {
    assert.deepEqual(await client.agents.getAgentPanels(agent), { panels: [] });
  },

  async "an agent's log tells when its runs began and ended, and keeps that"(t) {
    const { client, agent, entity, refused } = t;
    const roomId = await newChannel(t, entity, agent);
    const asked = await say(t, roomId, entity, "hello");
    const read = () => client.agents.getAgentLogs(agent, { roomId });
    const entries = await eventually(read, (found) => found.length === 2);
    assert.deepEqual(
      entries.map(({ body }) => body.status),
      ["completed", "started"],
    );
    for (const { type, body } of entries)
      assertHas({ type, ...body }, { type: "run_event", messageId: asked.id, roomId });
    await assertRefused(client.agents.deleteAgentLog(agent, entries[0].id), 403, "PERMISSION_DENIED");
    refused("agents.deleteAgentLog");
  },
};
