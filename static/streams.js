// What agents are saying in one channel, while they say it.

export class Streams {
  // By run.
  #growing = new Map();

  of(runs) {
    return runs.map(({ id }) => this.#growing.get(id)).filter(Boolean);
  }

  /** Takes the next chunks; the first one begins anew, and where one is missing the message is waited for. */
  grow({ run_id, message_id, agent_id, index, chunk, count = 1 }) {
    const begun = { id: message_id, agentId: agent_id, text: '', next: 0, since: Date.now() };
    const known = index === 0 ? begun : this.#growing.get(run_id);
    if (known?.next !== index) return;
    this.#growing.set(run_id, { ...known, text: known.text + chunk, next: index + count });
  }

  /** The message that it has grown into is here. */
  store(messageId) {
    const [runId] = [...this.#growing].find(([, { id }]) => id === messageId) ?? [];
    this.end(runId);
  }

  end(runId) {
    this.#growing.delete(runId);
  }

  interrupt() {
    this.#growing.clear();
  }
}
