// The socket: it comes back by itself, and what is asked of it is answered, refused or known to be
// unanswered.

import { Refusal, SERVER_ID, Unanswered, unwrap } from './api.js';
import { io } from './vendor/socket.io-client-4.8.4.js';

const ANSWER_WITHIN_MS = 10_000;
const RETRY_AFTER_MS = 3_000;

export class Connection {
  #socket;
  #retry;

  /** `events` maps event names to functions, beside `state` and `refused` of the connection itself. */
  constructor(session, { state, refused, ready, ...events }) {
    this.#socket = io(`/servers/${SERVER_ID}`, {
      auth: session,
      // A WebSocket needs one round trip; polling is for those whose proxy forbids it.
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      forceNew: true,
    });
    for (const [name, handle] of Object.entries(events)) {
      // What follows the payload, such as a cursor, is not for this page.
      this.#socket.on(name, (payload) => handle(payload));
    }
    this.#socket.on('ready', (payload) => {
      state('online');
      ready(payload);
    });
    this.#socket.on('disconnect', () => {
      state('offline');
      this.#comeBack();
    });
    this.#socket.on('connect_error', (error) => {
      const refusal = new Refusal({ details: error.data?.details, message: error.message, code: error.data?.code });
      if (refusal.isAboutIdentity) {
        refused(refusal);
      } else {
        state('offline');
        this.#comeBack();
      }
    });
  }

  get isOpen() {
    return this.#socket.connected;
  }

  /** Resolves to the data of the ack; rejects with Refusal or Unanswered. */
  async ask(event, payload) {
    // The client would keep it and send it whenever it is connected again, long after we gave up.
    if (!this.isOpen) throw new Unanswered();
    const answer = await this.#socket
      .timeout(ANSWER_WITHIN_MS)
      .emitWithAck(event, payload)
      .catch(() => null);
    return unwrap(answer);
  }

  close() {
    clearTimeout(this.#retry);
    this.#socket.removeAllListeners();
    this.#socket.disconnect();
  }

  // The client returns from a lost connection, but not after the server has said goodbye.
  #comeBack() {
    if (this.#socket.active) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#socket.connect(), RETRY_AFTER_MS);
  }
}
