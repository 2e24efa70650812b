// Puts a key where elizaOS's web client looks for it, and whose it is.

const KEY = `eliza-api-key-${location.origin}`;
const USER = 'elizaos-client-user-id';
const UNKNOWN = 'This key is not known here, has expired or was revoked.';

const form = document.querySelector('form');
const problem = document.getElementById('problem');

async function ask(path, options) {
  const response = await fetch(path, options);
  const { data, error } = await response.json();
  if (error) throw new Error(response.status === 401 && !options.body ? UNKNOWN : error.details);
  return data;
}

function enter(key, userId) {
  localStorage.setItem(KEY, key);
  // Whoever shares a service's key stays who the client says: each browser somebody else.
  if (userId) localStorage.setItem(USER, userId);
  location.replace('/');
}

async function present(key) {
  const { id, kind } = await ask('/api/messaging/entities/me', { headers: { 'X-API-KEY': key } });
  if (kind === 'agent') throw new Error('This key is for an agent; a person needs a key of their own.');
  enter(key, kind === 'user' ? id : null);
}

async function redeem(code) {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ code });
  const { token, userId } = await ask('/api/auth/sign-in', { method: 'POST', headers, body });
  enter(token, userId);
}

function tell(error) {
  problem.textContent = error.message;
  problem.hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  present(new FormData(form).get('key').trim()).catch(tell);
});

const code = new URLSearchParams(location.hash.slice(1)).get('code');
if (code) {
  history.replaceState(null, '', location.pathname);
  redeem(code).catch(tell);
}
