// server.* and system.*

import assert from "node:assert/strict";
import { NIL, assertHas, assertIsoNow, assertMillisNow, assertRefused } from "./expecting.mjs";

export const surroundings = {
  async "the server says that it is there"({ client: { server } }) {
    const ping = await server.ping();
    assertHas(ping, { pong: true });
    assertMillisNow(ping.timestamp);
    assertHas(await server.hello(), { message: "Hello World!" });
    const status = await server.getStatus();
    assertHas(status, { status: "ok" });
    assert.ok(status.agentCount >= 1);
    assertIsoNow(status.timestamp);
    const health = await server.checkHealth();
    assertHas(health, { status: "OK", dependencies: { agents: "healthy" } });
    assert.match(health.version, /^\d+\.\d+\.\d+/);
    assertIsoNow(health.timestamp);
  },

  async "nobody stops the server over HTTP"({ client: { server }, refused }) {
    await assertRefused(server.stopServer(), 403, "PERMISSION_DENIED");
    refused("server.stopServer");
  },

  async "message servers are listed for who looks for faults, where elizaOS's client gets undefined"({
    client: { server },
  }) {
    const { servers, count } = await server.getDebugInfo();
    assert.ok(servers.some(({ id }) => id === NIL));
    assert.equal(count, servers.length);
  },

  async "logs are read, and filtered"({ client: { system } }) {
    const read = await system.getGlobalLogs({ level: "all" });
    assert.ok(Array.isArray(read.logs));
    assertHas(read, { count: read.logs.length, level: "all" });
    assert.ok(read.levels.includes("error") && read.levels.includes("info"));
    const { logs } = await system.getGlobalLogs({ level: "error" });
    assert.ok(logs.every(({ level }) => level >= 50));
  },

  async "a client adds nothing to the server's log, and is shown it, as by elizaOS"({ client: { server } }) {
    const shown = await server.submitLogs([{ level: "warn", message: "careful", source: "test" }]);
    assertHas(shown, { received: 0, requestedLevel: "all" });
    assert.ok(shown.logs.every(({ msg }) => !msg.includes("careful")));
  },

  async "what a node remembers of its log is cleared"({ client: { server, system } }) {
    assertHas(await server.clearLogs(), { status: "success" });
    const cleared = await system.deleteGlobalLogs();
    assertHas(cleared, { status: "success" });
    assert.match(cleared.message, /cleared/);
    await assert.rejects(system.deleteLog("1"), /not supported/); // by the client itself
  },

  async "no setting of the server is read or written over HTTP"({ client: { system }, refused }) {
    assert.deepEqual(await system.getEnvironment(), {});
    for (const params of [{ variables: { A: "1" } }, { content: { A: "1" } }, { A: "1" }])
      await assertRefused(system.updateLocalEnvironment(params), 403, "PERMISSION_DENIED");
    refused("system.updateLocalEnvironment");
  },
};
