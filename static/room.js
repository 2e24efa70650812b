// What this page knows of one channel.

import { fetchHistory } from './api.js';
import { Runs } from './runs.js';

const TYPING_MS = 3_000;
const MANAGING = ['owner', 'moderator'];

export class Room {
  messages = [];
  participants = [];
  isCurrent = false;
  isLoading = false;
  hasOlder = false;
  problem = null;
  // Why the agents are paused, if they are.
  pause = null;
  runs;
  #session;
  #changed;
  #heldUpTo = 0;
  #interruptions = 0;
  #pauses = 0;
  #typing = new Map();
  // What was edited, deleted or decided, by id: a page that was read before may arrive after.
  #changes = new Map();
  #approvals = new Map();
  // Up to which seq everything was cleared.
  #clearedUpTo = 0;

  constructor(channelId, session, changed) {
    this.channelId = channelId;
    this.runs = new Runs(channelId, session);
    this.#session = session;
    this.#changed = changed;
  }

  /** Names of those who type now. */
  get typing() {
    return [...this.#typing.keys()].map((id) => this.nameOf(id));
  }

  /** What agents are saying: messages that are not stored yet. */
  get growing() {
    return this.runs.growing.map(({ id, agentId, text, since }) => ({
      id,
      text,
      authorId: agentId,
      authorName: this.nameOf(agentId),
      isByAgent: true,
      isGrowing: true,
      createdAt: since,
      attachments: [],
      mentions: [],
    }));
  }

  get agents() {
    return this.participants.filter(({ kind }) => kind === 'agent');
  }

  nameOf(id) {
    return this.participants.find(({ userId }) => userId === id)?.name ?? id;
  }

  isManagedBy(id) {
    return this.participants.some(({ userId, role }) => userId === id && MANAGING.includes(role));
  }

  /** Tells whether somebody waits for a decision of others. */
  isAsking(id) {
    return this.messages.some(({ authorId, approval }) => authorId === id && approval?.state === 'requested');
  }

  /** Tells whether somebody may decide what a message asks for. */
  mayDecide(id, { authorId, approval: { allowed } }) {
    if (id === authorId || (allowed.length > 0 && !allowed.includes(id))) return false;
    return this.participants.some(({ userId, role }) => userId === id && role !== 'observer');
  }

  /** The connection was lost, and what was missed does not come by itself. */
  interrupt() {
    this.isCurrent = false;
    this.#interruptions += 1;
    this.#changes.clear();
    this.#approvals.clear();
    this.runs.interrupt();
    this.#heldUpTo = this.messages.at(-1)?.seq ?? 0;
  }

  /** Takes what the server tells whoever joins, and returns the channel. */
  async arrive(joining) {
    const pauses = this.#pauses;
    const { channel, participants, agents_paused } = await joining;
    this.participants = participants;
    // What was told meanwhile is newer.
    if (pauses === this.#pauses) this.pause = agents_paused;
    return channel;
  }

  async loadNewest() {
    const interruptions = this.#interruptions;
    const [page] = await Promise.all([this.#fetch(0), this.runs.load()]);
    const seqs = page.messages.map(({ seq }) => seq);
    const oldest = Math.min(...seqs);
    const newest = Math.max(this.#heldUpTo, ...seqs);
    // With unseen messages between what was held and this page, scrolling up would pass over them.
    const hasGap = oldest > this.#heldUpTo;
    // From there on the page knows better, also what has been deleted.
    this.messages = this.messages.filter(({ seq }) => seq > newest || (seq < oldest && !hasGap));
    this.isCurrent = interruptions === this.#interruptions;
    this.#take(page);
  }

  async loadOlder() {
    if (!this.isLoading && this.hasOlder) this.#take(await this.#fetch(this.messages.length));
  }

  add(raw) {
    this.#stopTyping(raw.author_id);
    this.runs.streams.store(raw.id);
    // An answer that comes late may be about a message of a page that is not loaded; it comes with that.
    const isInReach = this.messages.length === 0 || raw.seq > this.messages[0].seq;
    if (isInReach) this.#merge([raw]);
    this.#changed();
  }

  /** Shows a message as it was edited, or no longer if it was deleted. */
  change(raw) {
    this.#changes.set(raw.id, raw);
    this.#merge([]);
    this.#changed();
  }

  /** Shows nothing any more of what was said up to a seq. */
  clear(upTo) {
    this.#clearedUpTo = Math.max(upTo, this.#clearedUpTo);
    this.#merge([]);
    this.#changed();
  }

  setApproval(messageId, approval) {
    this.#approvals.set(messageId, approval);
    this.#merge([]);
    this.#changed();
  }

  /** Notes why the agents are paused, or with null that they are not. */
  setPause(reason) {
    this.#pauses += 1;
    this.pause = reason;
    this.#changed();
  }

  setTyping(userId, isTyping) {
    this.#stopTyping(userId);
    if (isTyping) {
      const stop = () => {
        this.#stopTyping(userId);
        this.#changed();
      };
      this.#typing.set(userId, setTimeout(stop, TYPING_MS));
    }
    this.#changed();
  }

  welcome(participant) {
    this.bidFarewell(participant);
    this.participants = [...this.participants, participant];
  }

  bidFarewell({ userId }) {
    this.participants = this.participants.filter((present) => present.userId !== userId);
  }

  async #fetch(offset) {
    this.isLoading = true;
    this.problem = null;
    this.#changed();
    try {
      return await fetchHistory(this.#session, this.channelId, offset);
    } finally {
      this.isLoading = false;
      this.#changed();
    }
  }

  #take({ messages, total }) {
    this.#merge(messages);
    this.hasOlder = this.messages.length < total;
    this.#changed();
  }

  #merge(more) {
    this.messages = merge(this.messages, more).flatMap((message) => {
      if (message.seq <= this.#clearedUpTo) return [];
      const change = this.#changes.get(message.id);
      if (change?.deleted) return [];
      // The seq of a change is not the message's.
      const now = change ? { ...fromWire(change), seq: message.seq } : message;
      const approval = this.#approvals.get(message.id);
      return approval ? [{ ...now, approval }] : [now];
    });
  }

  #stopTyping(userId) {
    clearTimeout(this.#typing.get(userId));
    this.#typing.delete(userId);
  }
}

/** Adds messages in the form of either door, each id once, in order of seq. */
function merge(known, more) {
  const isNews = more.length === 1 && (known.at(-1)?.seq ?? 0) < more[0].seq;
  if (isNews) return [...known, fromWire(more[0])];
  const byId = new Map([...known, ...more.map(fromWire)].map((message) => [message.id, message]));
  return [...byId.values()].sort((one, other) => one.seq - other.seq);
}

function fromWire(raw) {
  const isByAgent = raw.agentId !== null;
  // Over REST createdAt is in seconds or a text, and created_at in milliseconds.
  const createdAt = raw.created_at ?? raw.createdAt;
  const registered = raw.author_name ?? raw.authorName;
  const stated = isByAgent && raw.metadata.agent_name;
  return {
    id: raw.id,
    seq: raw.seq,
    text: raw.text,
    authorId: raw.author_id,
    // A service that relays agents may name them otherwise, or put anything else in there.
    authorName: stated && typeof stated === 'string' ? stated : registered,
    isByAgent,
    isPartial: raw.metadata.partial === true,
    isEdited: (raw.updated_at ?? createdAt) > createdAt,
    createdAt,
    attachments: raw.attachments ?? [],
    mentions: raw.mentions ?? [],
    approval: raw.approval ?? null,
  };
}
