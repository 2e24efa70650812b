// Messages on their way. One at a time, so that they arrive in the order in which they were written;
// under an id of ours, so that sending one again after a lost answer does not store it twice.

import { Unanswered } from './api.js';

const ATTEMPTS = 3;

export class Outbox {
  items = [];
  #deliver;
  #isOnline;
  #changed;
  #isSending = false;

  /** `deliver` stores one item, or throws Refusal or Unanswered. */
  constructor({ deliver, isOnline, changed }) {
    this.#deliver = deliver;
    this.#isOnline = isOnline;
    this.#changed = changed;
  }

  add(item) {
    this.items = [...this.items, { ...item, id: newId(), createdAt: Date.now(), problem: null }];
    this.flush();
  }

  retry(id) {
    this.#mark(id, null);
    this.flush();
  }

  discard(id) {
    this.items = this.items.filter((item) => item.id !== id);
    this.#changed();
  }

  /** Sends all that waits; called again when the connection has come back. */
  async flush() {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#changed();
    let item;
    do {
      item = this.items.find(({ problem }) => problem === null);
    } while (item && (await this.#send(item)));
    this.#isSending = false;
  }

  /** Tells whether the next one may be sent. */
  async #send(item) {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        await this.#deliver(item);
        this.discard(item.id);
        return true;
      } catch (error) {
        if (!(error instanceof Unanswered)) {
          this.#mark(item.id, error.message);
          return true;
        }
        if (!this.#isOnline()) return false;
      }
    }
    this.#mark(item.id, 'The server did not answer.');
    return true;
  }

  #mark(id, problem) {
    this.items = this.items.map((item) => (item.id === id ? { ...item, problem } : item));
    this.#changed();
  }
}

/** A random UUID. crypto.randomUUID is missing where a page comes over plain http from another machine. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
