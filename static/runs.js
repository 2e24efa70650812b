// The runs of one channel: which are under way, and which have ended without an answer.

import { fetchOpenRuns } from './api.js';
import { Streams } from './streams.js';

export class Runs {
  // What has ended without an answer before one's eyes, by the message that asked.
  endings = new Map();
  streams = new Streams();
  #channelId;
  #session;
  #open = new Map();
  // What has changed since the list was asked for: it may be older.
  #meanwhile = null;

  constructor(channelId, session) {
    this.#channelId = channelId;
    this.#session = session;
  }

  /** Those to be told of: what an agent says opens runs, too, but most agents leave it at that. */
  get underWay() {
    return [...this.#open.values()].filter((run) => isAsked(run) || run.state !== 'queued');
  }

  /** What is being said; what comes behind the end of its run is not. */
  get growing() {
    return this.streams.of([...this.#open.values()]);
  }

  /** The connection was lost, and nobody tells what has ended since. */
  interrupt() {
    this.#open.clear();
    this.streams.interrupt();
    this.#meanwhile = null;
  }

  async load() {
    const meanwhile = new Map();
    this.#meanwhile = meanwhile;
    const { runs } = await fetchOpenRuns(this.#session, this.#channelId);
    if (this.#meanwhile !== meanwhile) return;
    const known = new Map([...runs.map((run) => [run.id, run]), ...meanwhile]);
    this.#open = new Map([...known].filter(([, run]) => run));
    this.#meanwhile = null;
  }

  /** Takes the state that a run has come to; its end is told apart. */
  change(run) {
    // One that was over at once is nothing to wait for.
    if (run.state !== 'ignored' || this.#open.has(run.id)) this.#note(run.id, run);
  }

  end({ run_id, agent_id, message_id, reply_id, state, reason }) {
    const run = this.#open.get(run_id);
    this.#note(run_id, null);
    this.streams.end(run_id);
    if (run && isAsked(run) && !reply_id) this.#remember(message_id, { id: run_id, agentId: agent_id, state, reason });
  }

  #note(id, run) {
    this.#meanwhile?.set(id, run);
    if (run) this.#open.set(id, run);
    else this.#open.delete(id);
  }

  #remember(messageId, ending) {
    const others = this.endings.get(messageId) ?? [];
    this.endings = new Map([...this.endings, [messageId, [...others, ending]]]);
  }
}

/** Tells whether a person has asked. */
function isAsked({ hops }) {
  return hops === 1;
}
