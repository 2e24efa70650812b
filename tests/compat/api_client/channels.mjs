// Channels and who takes part in them.

import assert from "node:assert/strict";
import { NIL, UUID, assertHas, assertIsoNow, assertRefused, newChannel, say, unique } from "./expecting.mjs";

const participants = async ({ client }, channelId) =>
  (await client.messaging.getChannelParticipants(channelId)).sort();

export const channels = {
  async "a channel is created without a word about participants, which elizaOS refuses"({ client }) {
    const name = `${unique("Chat")} - Nov 28, 11:45:00`;
    const made = await client.messaging.createChannel({ name, type: "GROUP", metadata: { topic: "tea" } });
    assert.match(made.id, UUID);
    assertHas(made, { name, type: "GROUP", messageServerId: NIL });
    assertHas(made.metadata, { topic: "tea" });
    assertIsoNow(made.createdAt);
    assertIsoNow(made.updatedAt);
    const read = await client.messaging.getChannelDetails(made.id);
    assertHas(read, { id: made.id, name, type: "GROUP", messageServerId: NIL, createdAt: made.createdAt });
  },

  async "a group channel has its participants, type and metadata"(t) {
    const { client, agent, entity, other } = t;
    const metadata = { type: "DM", source: "client_group_chat", nested: { isDm: true } };
    const group = {
      name: unique("group"),
      participantIds: [entity, other, agent],
      metadata: { source: metadata.source, nested: metadata.nested },
    };
    const made = await client.messaging.createGroupChannel(group);
    assertHas(made, { name: group.name, type: "GROUP", messageServerId: NIL });
    assertHas(made.metadata, group.metadata);
    assert.deepEqual(await participants(t, made.id), [entity, other, agent].sort());
    const pair = [crypto.randomUUID(), agent];
    const dm = await client.messaging.createGroupChannel({
      name: unique("dm"),
      participantIds: pair,
      metadata,
    });
    assertHas(dm, { type: "DM" });
    assert.deepEqual(await participants(t, dm.id), pair.sort());
  },

  async "a pair has one DM, whoever asks for it"(t) {
    const { client, agent } = t;
    const somebody = crypto.randomUUID();
    const [one, other] = await Promise.all(
      [
        [somebody, agent],
        [agent, somebody],
      ].map((participantIds) => client.messaging.getOrCreateDmChannel({ participantIds })),
    );
    assert.equal(one.id, other.id);
    assertHas(one, { type: "DM", messageServerId: NIL });
    assert.deepEqual([one.metadata.user1, one.metadata.user2].sort(), [somebody, agent].sort());
    assert.deepEqual(await participants(t, one.id), [somebody, agent].sort());
  },

  async "an agent is added to a channel, and removed"(t) {
    const { client, agent, entity } = t;
    const id = await newChannel(t, entity);
    const added = await client.messaging.addAgentToChannel(id, agent);
    assertHas(added, {
      success: true,
      channelId: id,
      agentId: agent,
      message: "Agent added to channel successfully",
    });
    assert.deepEqual(await participants(t, id), [entity, agent].sort());
    const removed = await client.messaging.removeAgentFromChannel(id, agent);
    assertHas(removed, {
      success: true,
      channelId: id,
      agentId: agent,
      message: "Agent removed from channel successfully",
    });
    assert.deepEqual(await participants(t, id), [entity]);
  },

  async "users are added beside those who are there, whom elizaOS removes by that"(t) {
    const { client, agent, entity, other } = t;
    const [third, fourth] = [crypto.randomUUID(), crypto.randomUUID()];
    const id = await newChannel(t, entity, agent);
    const details = await client.messaging.getChannelDetails(id);
    assert.deepEqual(details.metadata.participantCentralUserIds.sort(), [entity, agent].sort());
    assertHas(await client.messaging.addUserToChannel(id, other), { id });
    assert.deepEqual(await participants(t, id), [entity, agent, other].sort());
    assertHas(await client.messaging.addUserToChannel(id, other), { success: true });
    assertHas(await client.messaging.addUsersToChannel(id, [other, third, fourth]), { id });
    assert.deepEqual(await participants(t, id), [entity, agent, other, third, fourth].sort());
    assertHas(await client.messaging.removeUserFromChannel(id, third), { id });
    assert.deepEqual(await participants(t, id), [entity, agent, other, fourth].sort());
  },

  async "a channel's name and metadata are changed"(t) {
    const { client, entity } = t;
    const id = await newChannel(t, entity);
    const name = unique("renamed");
    const changed = await client.messaging.updateChannel(id, { name, metadata: { mood: "good" } });
    assertHas(changed, { id, name });
    const read = await client.messaging.getChannelDetails(id);
    assertHas(read, { name });
    assertHas(read.metadata, { mood: "good" });
    assert.deepEqual(await participants(t, id), [entity]);
  },

  async "a channel's history is cleared, and the channel deleted"(t) {
    const { client, entity } = t;
    const id = await newChannel(t, entity);
    for (const text of ["one", "two"]) await say(t, id, entity, text);
    assert.equal((await client.messaging.getChannelMessages(id)).messages.length, 2);
    assert.deepEqual(await client.messaging.clearChannelHistory(id), { success: true });
    assert.deepEqual((await client.messaging.getChannelMessages(id)).messages, []);
    assert.deepEqual(await client.messaging.deleteChannel(id), { success: true });
    await assertRefused(client.messaging.getChannelDetails(id), 404, "RESOURCE_NOT_FOUND");
  },
};
