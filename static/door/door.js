// Puts a key where elizaOS's web client looks for it: no button of that client leads to its own dialog.

const KEY = `eliza-api-key-${location.origin}`;
const USER = 'elizaos-client-user-id';

const form = document.querySelector('form');
const problem = document.getElementById('problem');

async function ask(path, options) {
  const response = await fetch(path, options);
  const { data, error } = await response.json();
  if (error) throw new Error(error.message);
  return data;
}

function enter(key, userId) {
  localStorage.setItem(KEY, key);
  localStorage.setItem(USER, userId);
  location.replace('/');
}

async function present(key) {
  const { id } = await ask('/api/messaging/entities/me', { headers: { 'X-API-KEY': key } });
  enter(key, id);
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
