// jobs.*, which 1.5.7 does not have.

import assert from "node:assert/strict";
import { UUID, assertHas, assertMillisNow, assertRefused, unique } from "./expecting.mjs";

const QUICKLY = { interval: 50, maxAttempts: 500 };

function assertAnswered({ job, success, attempts }, { agent, entity }, said) {
  assert.equal(success, true);
  assert.ok(attempts >= 1);
  assertHas(job, { status: "completed", agentId: agent, userId: entity, prompt: said });
  assertHas(job.result.message, { content: `You said: ${said}`, authorId: agent });
  assert.ok(job.result.processingTimeMs >= 0);
}

export const jobs = {
  async "a job is created, and polled until it is answered, which it never is with elizaOS 1.7.2"(t) {
    const { client, agent, entity } = t;
    const job = { userId: entity, agentId: agent, content: "hello", metadata: { source: "test" } };
    const made = await client.jobs.create(job);
    assert.match(made.jobId, UUID);
    assertHas(made, { status: "processing" });
    assertMillisNow(made.createdAt);
    assert.ok(made.expiresAt > made.createdAt);
    const seen = [];
    const done = await client.jobs.poll(made.jobId, {
      ...QUICKLY,
      onProgress: ({ status }) => seen.push(status),
    });
    assertAnswered(done, t, "hello");
    assert.equal(seen.at(-1), "completed");
    assertHas(await client.jobs.getJob(made.jobId), {
      jobId: made.jobId,
      status: "completed",
      metadata: job.metadata,
    });
  },

  async "jobs are listed and counted"(t) {
    const { client, agent, entity } = t;
    const { job } = await client.jobs.createAndPoll(
      { userId: entity, agentId: agent, content: unique("listed") },
      QUICKLY,
    );
    const { jobs, total, filtered } = await client.jobs.list({ limit: 5, status: "completed" });
    assert.ok(jobs.some(({ jobId }) => jobId === job.jobId));
    assert.ok(jobs.every(({ status }) => status === "completed"));
    assert.ok(total >= filtered && filtered >= jobs.length);
    const health = await client.jobs.health();
    assertHas(health, { healthy: true });
    assertMillisNow(health.timestamp);
    assert.ok(health.statusCounts.completed >= 1);
    assert.deepEqual(Object.keys(health.statusCounts).sort(), [
      "completed",
      "failed",
      "pending",
      "processing",
      "timeout",
    ]);
    assert.ok(health.metrics.successRate > 0 && health.metrics.successRate <= 1);
    assert.ok(health.metrics.averageProcessingTimeMs >= 0);
  },

  async "a question is asked and answered in one call"(t) {
    const { client, agent, entity } = t;
    const job = { userId: entity, agentId: agent, content: "slowly" };
    assertAnswered(
      await client.jobs.createAndPollWithBackoff(job, { initialInterval: 50, maxInterval: 200 }),
      t,
      "slowly",
    );
    assert.equal(await client.jobs.ask(entity, "who?", agent, QUICKLY), "You said: who?");
  },

  async "a job without a word about the agent finds one"(t) {
    const { client, entity } = t;
    assert.equal(await client.jobs.ask(entity, "anybody?", undefined, QUICKLY), "You said: anybody?");
  },

  async "an unknown job, or one for an unknown agent, is not found"({ client, entity }) {
    await assertRefused(client.jobs.getJob(crypto.randomUUID()), 404, "RESOURCE_NOT_FOUND");
    const job = { userId: entity, agentId: crypto.randomUUID(), content: "hello" };
    await assertRefused(client.jobs.create(job), 404, "AGENT_NOT_FOUND");
  },
};
