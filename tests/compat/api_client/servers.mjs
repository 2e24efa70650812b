// Message servers, and the agents in them. 1.5.7 names the same things otherwise.

import assert from "node:assert/strict";
import { NIL, UUID, assertHas, assertIsoNow, assertRefused, unique } from "./expecting.mjs";

function of({ messaging, agents }) {
  return {
    list: messaging.listMessageServers ?? messaging.listServers,
    channels: messaging.getMessageServerChannels ?? messaging.getServerChannels,
    create: messaging.createMessageServer ?? messaging.createServer,
    sync: messaging.syncMessageServerChannels ?? messaging.syncServerChannels,
    remove: messaging.deleteMessageServer ?? messaging.deleteServer,
    agentsOf: agents.getAgentsForMessageServer ?? agents.getAgentsForServer,
    addAgent: agents.addAgentToMessageServer ?? agents.addAgentToServer,
    removeAgent: agents.removeAgentFromMessageServer ?? agents.removeAgentFromServer,
    ofAgent: agents.getMessageServersForAgent ?? agents.getServersForAgent,
  };
}

const named = (version) =>
  version === "1.5.7"
    ? { one: "serverId", many: "servers" }
    : { one: "messageServerId", many: "messageServers" };

const newServer = async (client) =>
  (await of(client).create({ name: unique("server"), sourceType: "test" })).id;

export const servers = {
  async "the current message server is the default one"({ client }) {
    if (!client.messaging.getCurrentMessageServer) return; // 1.5.7
    assertHas(await client.messaging.getCurrentMessageServer(), { messageServerId: NIL });
  },

  async "a message server is created and listed"({ client, version }) {
    const name = unique("server");
    const made = await of(client).create({
      name,
      sourceType: "test",
      sourceId: "s-1",
      metadata: { icon: "x" },
    });
    assert.match(made.id, UUID);
    assertHas(made, { name, sourceType: "test", sourceId: "s-1", metadata: { icon: "x" } });
    assertHas(made.server, { id: made.id, name, sourceType: "test" });
    const listed = (await of(client).list())[named(version).many];
    assert.ok(listed.some(({ id }) => id === NIL));
    const found = listed.find(({ id }) => id === made.id);
    assertHas(found, { name, sourceType: "test" });
    assertIsoNow(found.createdAt);
  },

  async "a message server's channels are those of elsewhere, once each"({ client }) {
    const id = await newServer(client);
    const wanted = ["one", "two"].map((name) => ({ name, type: "GROUP", sourceId: `elsewhere-${name}` }));
    assertHas(await of(client).sync(id, { channels: wanted }), { synced: 2 });
    await of(client).sync(id, { channels: wanted });
    const { channels } = await of(client).channels(id);
    assert.deepEqual(channels.map(({ name }) => name).sort(), ["one", "two"]);
    for (const channel of channels)
      assertHas(channel, { messageServerId: id, type: "GROUP", sourceId: `elsewhere-${channel.name}` });
  },

  async "a message server is deleted with its channels"({ client, version }) {
    const id = await newServer(client);
    await of(client).sync(id, { channels: [{ name: "one", type: "GROUP", sourceId: "one" }] });
    const [channel] = (await of(client).channels(id)).channels;
    assert.deepEqual(await of(client).remove(id), { success: true });
    const listed = (await of(client).list())[named(version).many];
    assert.ok(!listed.some((server) => server.id === id));
    await assertRefused(client.messaging.getChannelDetails(channel.id), 404, "RESOURCE_NOT_FOUND");
  },

  async "agents are added to a message server, and removed"({ client, agent, version }) {
    const { one, many } = named(version);
    const id = await newServer(client);
    const added = await of(client).addAgent(id, agent);
    assertHas(added, { [one]: id, agentId: agent });
    assert.match(added.message, /added/);
    assertHas(await of(client).agentsOf(id), { [one]: id, agents: [agent] });
    const servers = await of(client).ofAgent(agent);
    assertHas(servers, { agentId: agent });
    assert.ok(servers[many].includes(id));
    const removed = await of(client).removeAgent(id, agent);
    assertHas(removed, { [one]: id, agentId: agent });
    assert.match(removed.message, /removed/);
    assertHas(await of(client).agentsOf(id), { agents: [] });
    assert.ok(!(await of(client).ofAgent(agent))[many].includes(id));
  },
};
