// Puts a key where elizaOS's web client looks for it: no button of that client leads to its own dialog.

const KEY = `eliza-api-key-${location.origin}`;
const USER = 'elizaos-client-user-id';

const form = document.querySelector('form');
const problem = document.getElementById('problem');

function enter(key, userId) {
  localStorage.setItem(KEY, key);
  // Without an id the client makes one up, and the server tells it the right one.
  if (userId) localStorage.setItem(USER, userId);
  else localStorage.removeItem(USER);
  location.replace('/');
}

async function redeem(code) {
  const response = await fetch('/api/auth/sign-in', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ code }),
  });
  const { data, error } = await response.json();
  if (error) throw new Error(error.message);
  enter(data.token, data.userId);
}

function tell(error) {
  problem.textContent = error.message;
  problem.hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const key = new FormData(form).get('key').trim();
  if (key) enter(key);
});

const code = new URLSearchParams(location.hash.slice(1)).get('code');
if (code) {
  history.replaceState(null, '', location.pathname);
  redeem(code).catch(tell);
}
