// The state of the page while somebody is signed in, and all that changes it.

import { createChannel } from './api.js';
import { Connection } from './connection.js';
import { Outbox } from './outbox.js';
import { Room } from './room.js';
import { recall, remember } from './storage.js';

const TYPING_EVERY_MS = 2_000;

export class Chat {
  link = 'connecting';
  me = null;
  server = null;
  maxContent = Infinity;
  channels = [];
  joinable = [];
  open = null;
  outbox;
  // What was begun in a channel is still there when one comes back to it.
  drafts = new Map();
  #session;
  #changed;
  #refused;
  #connection;
  #rooms = new Map();
  // Up to which seq each channel has been read in this browser.
  #read = recall('read');
  #typedAt = 0;

  /** `changed` redraws the page; `refused` is told why the server does not accept the session. */
  constructor(session, { changed, refused }) {
    this.#session = session;
    this.#changed = changed;
    this.#refused = refused;
    this.outbox = new Outbox({
      deliver: (item) => this.#deliver(item),
      isOnline: () => this.#connection.isOpen,
      changed,
    });
  }

  start() {
    this.#connection = new Connection(this.#session, {
      state: (link) => {
        this.link = link;
        this.#changed();
      },
      refused: this.#refused,
      ready: (payload) => this.#onReady(payload),
      message: (message) => this.#onMessage(message),
      message_updated: (message) => this.#onChange(message),
      message_deleted: (message) => this.#onChange(message),
      channel_updated: (event) => this.#onUpdated(event),
      channel_cleared: ({ channel_id, up_to }) => this.room(channel_id).clear(up_to),
      channel_deleted: ({ channel_id }) => this.#onGone(channel_id),
      participant_joined: (event) => this.#onJoined(event),
      participant_left: (event) => this.#onLeft(event),
      typing: (event) => this.#onTyping(event),
      run: ({ channel_id, run }) => this.#onRun(channel_id, (runs) => runs.change(run)),
      complete: (event) => this.#onRun(event.channel_id, (runs) => runs.end(event)),
      approval: (event) => this.#onApproval(event),
      agents_paused: ({ channel_id, reason }) => this.room(channel_id).setPause(reason),
      agents_resumed: ({ channel_id }) => this.room(channel_id).setPause(null),
      stream: (event) => this.#onRun(event.channel_id, (runs) => runs.streams.grow(event)),
    });
  }

  stop() {
    this.#connection.close();
  }

  room(channelId) {
    if (!this.#rooms.has(channelId)) {
      this.#rooms.set(channelId, new Room(channelId, this.#session, this.#changed));
    }
    return this.#rooms.get(channelId);
  }

  isUnread(channel) {
    return channel.seq > (this.#read?.[channel.id] ?? 0);
  }

  /** Opens a channel, and joins it if it is not one of ours. */
  async enter(channelId) {
    const room = this.room(channelId);
    room.problem = null;
    this.open = channelId;
    this.#markRead(channelId);
    remember('channel', channelId);
    this.#changed();
    try {
      this.#adopt(await room.arrive(this.#connection.ask('join', { channel_id: channelId })));
      if (!room.isCurrent) await room.loadNewest();
    } catch (error) {
      this.#complain(room, error);
    }
  }

  async loadOlder(room) {
    try {
      await room.loadOlder();
    } catch (error) {
      this.#complain(room, error);
    }
  }

  /** Creates a channel and returns its id; throws what the server has against it. */
  async create(draft) {
    const channel = await createChannel(this.#session, draft);
    this.#adopt(channel);
    return channel.id;
  }

  say(text) {
    this.#typedAt = 0;
    this.outbox.add({ channelId: this.open, text });
  }

  /** Lets the others know, but not at every key. */
  type(isTyping) {
    const isDue = isTyping ? Date.now() - this.#typedAt > TYPING_EVERY_MS : this.#typedAt > 0;
    if (!isDue) return;
    this.#typedAt = isTyping ? Date.now() : 0;
    // Whether it arrives does not matter to anybody.
    this.#connection.ask('typing', { channel_id: this.open, is_typing: isTyping }).catch(() => {});
  }

  mayCancel(room, run) {
    return run.user_id === this.me.id || room.isManagedBy(this.me.id);
  }

  /** Cancels runs; throws what the server has against it. */
  async cancel(room, runs) {
    await Promise.all(runs.map(({ id }) => this.#connection.ask('cancel_run', { run_id: id })));
    // The end of one that was over already is not told again.
    await room.runs.load();
    this.#changed();
  }

  /** Lets the agents of a channel go on; throws what the server has against it. */
  async resumeAgents({ channelId }) {
    await this.#connection.ask('resume_agents', { channel_id: channelId });
  }

  /** Chooses an option of what a message asks for; throws what the server has against it. */
  async decide(messageId, option) {
    this.#onApproval(await this.#connection.ask('resolve_approval', { message_id: messageId, option }));
  }

  #onReady({ principal, server, channels, joinable, limits, recovered }) {
    if (principal.kind === 'service') {
      this.#refused(new Error('This key is for programs; a person needs a key of their own.'));
      return;
    }
    // Otherwise everything that was missed is about to come.
    if (!recovered) this.#rooms.forEach((room) => room.interrupt());
    this.me = principal;
    this.server = server;
    this.maxContent = limits.max_content;
    this.channels = channels.sort(byName);
    this.joinable = joinable.sort(byName);
    // In a new browser nothing was read, but it is not all news either.
    this.#read ??= Object.fromEntries(channels.map(({ id, seq }) => [id, seq]));
    const chosen = this.open ?? recall('channel');
    const found = channels.find(({ id }) => id === chosen) ?? channels[0];
    this.open = found?.id ?? null;
    if (found) this.enter(found.id);
    this.outbox.flush();
    this.#changed();
  }

  #onMessage(message) {
    // By the time it arrives it may be gone already.
    if (message.deleted) {
      this.#onChange(message);
      return;
    }
    this.#advance(message);
    this.room(message.channel_id).add(message);
  }

  #onChange(message) {
    this.#advance(message);
    this.room(message.channel_id).change(message);
  }

  #onJoined({ seq, channel_id, channel, participant }) {
    if (participant.userId === this.me?.id) this.#adopt(channel);
    this.room(channel_id).welcome(participant);
    this.#advance({ seq, channel_id });
    this.#changed();
  }

  #onLeft({ channel_id, participant }) {
    this.room(channel_id).bidFarewell(participant);
    if (participant.userId === this.me?.id) this.#abandon(channel_id);
    this.#changed();
  }

  #onUpdated({ seq, channel_id, channel: { name, description } }) {
    const renew = (known) => (known.id === channel_id ? { ...known, name, description } : known);
    this.channels = this.channels.map(renew).sort(byName);
    this.joinable = this.joinable.map(renew).sort(byName);
    this.#advance({ seq, channel_id });
    this.#changed();
  }

  #onGone(channelId) {
    this.#abandon(channelId);
    this.joinable = this.joinable.filter(({ id }) => id !== channelId);
    this.#changed();
  }

  #onTyping({ channel_id, userId, is_typing }) {
    // One may also be signed in elsewhere.
    if (userId !== this.me?.id) this.room(channel_id).setTyping(userId, is_typing);
  }

  #onRun(channelId, note) {
    note(this.room(channelId).runs);
    this.#changed();
  }

  #onApproval(event) {
    // By the time it arrives its message may be gone already.
    if (event.deleted) this.#onChange(event);
    else this.room(event.channel_id).setApproval(event.message_id, event.approval);
  }

  async #deliver({ id, channelId, text }) {
    const submission = { channel_id: channelId, content: text, messageId: id };
    this.#onMessage(await this.#connection.ask('submit', submission));
  }

  #adopt(channel) {
    this.channels = [...this.channels.filter(({ id }) => id !== channel.id), channel].sort(byName);
    this.joinable = this.joinable.filter(({ id }) => id !== channel.id);
    if (channel.id === this.open) this.#markRead(channel.id);
    this.#changed();
  }

  #abandon(channelId) {
    this.channels = this.channels.filter(({ id }) => id !== channelId);
    // Nothing of it arrives any more.
    this.#rooms.delete(channelId);
    if (this.open === channelId) this.open = null;
  }

  /** Notes the newest seq of a channel, from which follows whether it is unread. */
  #advance({ seq, channel_id }) {
    this.channels = this.channels.map((channel) =>
      channel.id === channel_id ? { ...channel, seq: Math.max(seq, channel.seq) } : channel,
    );
    if (channel_id === this.open) this.#markRead(channel_id);
  }

  #markRead(channelId) {
    const channel = this.channels.find(({ id }) => id === channelId);
    if (!channel) return;
    this.#read = { ...this.#read, [channelId]: channel.seq };
    remember('read', this.#read);
  }

  #complain(room, error) {
    if (error.isAboutIdentity) {
      this.#refused(error);
      return;
    }
    // What fails while the connection is away is done again when it is back.
    if (this.#connection.isOpen) room.problem = error.message;
    this.#changed();
  }
}

function byName(one, other) {
  return one.name.localeCompare(other.name);
}
