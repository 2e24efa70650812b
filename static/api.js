// The server's REST API. A session is {token}, or {entityId} where the server asks for no credentials.

export const SERVER_ID = '00000000-0000-0000-0000-000000000000';
const PAGE = 50;
const MOST = 200;
const BAD_KEY = 'Bearer token not provided or invalid';

/** The server said no; the message is the sentence in which it said why, but for a key in people's words. */
export class Refusal extends Error {
  constructor({ code, message, details }) {
    super(details === BAD_KEY ? 'This key is not known here, has expired or was revoked.' : details || message);
    this.code = code;
  }

  get isAboutIdentity() {
    return this.code === 'AUTHENTICATION_FAILED';
  }
}

/** Nobody answered, so nobody knows whether it was done. */
export class Unanswered extends Error {
  constructor() {
    super('The server cannot be reached.');
  }
}

export function fetchConfig() {
  return call('/api/system/config');
}

export function exchangeCode(code) {
  return call('/api/auth/sign-in', { body: { code } });
}

export function createChannel(session, { name, description, joinable }) {
  const body = { name, description, joinable, serverId: SERVER_ID, type: 'text' };
  return call('/api/messaging/central-channels', { session, body });
}

/** A page of the newest messages but for the first `offset`, and how many there are in all. */
export async function fetchHistory(session, channelId, offset) {
  const query = new URLSearchParams({ limit: PAGE, order: 'desc', offset });
  const path = `/api/messaging/channels/${channelId}/messages?${query}`;
  const { messages, pagination } = await call(path, { session });
  return { messages, total: pagination.total };
}

/** The runs of a channel that are under way. */
export function fetchOpenRuns(session, channelId) {
  const query = new URLSearchParams({ channel_id: channelId, state: 'queued,working,streaming', limit: MOST });
  return call(`/api/messaging/runs?${query}`, { session });
}

async function call(path, { session, body } = {}) {
  const headers = session ? proof(session) : {};
  if (body) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method: body ? 'POST' : 'GET',
    headers,
    body: body && JSON.stringify(body),
  }).catch(() => null);
  if (!response) throw new Unanswered();
  return unwrap(await response.json().catch(() => null));
}

function proof(session) {
  return session.token
    ? { Authorization: `Bearer ${session.token}` }
    : { 'X-Entity-Id': session.entityId };
}

/** Takes the data out of an answer, of REST and of Socket.IO alike. */
export function unwrap(answer) {
  // A proxy in between answers in its own way when the server is down.
  if (typeof answer?.success !== 'boolean') throw new Unanswered();
  if (!answer.success) throw new Refusal(answer.error);
  return answer.data;
}
