// Before anybody is signed in: the link that was opened, a pasted key, or just a name.

import { Unanswered, exchangeCode, fetchConfig } from './api.js';
import { Logo } from './icons.js';
import { html, useEffect, useState } from './vendor/htm-preact-3.1.1.js';

export function codeInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get('code');
}

/** Exchanges the code of a sign-in link; onEnd gets the session, or the refusal. */
export function RedeemLink({ code, onEnd }) {
  const redeem = async () => {
    try {
      const { token } = await exchangeCode(code);
      onEnd({ token });
    } catch (error) {
      // Without an answer the code may still be good.
      if (error instanceof Unanswered) throw error;
      onEnd(null, error);
    }
  };
  return html`<${Attempt} key=${code} work=${redeem} doing="Signing in" />`;
}

export function SignIn({ problem, signIn }) {
  const [config, setConfig] = useState(null);
  if (!config) {
    const load = async () => setConfig(await fetchConfig());
    return html`<${Attempt} work=${load} doing="Connecting" />`;
  }
  const Form = config.requiresAuth ? KeyForm : NameForm;
  return html`
    <main class="door">
      <${Logo} />
      <h1>Parley</h1>
      ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
      <${Form} signIn=${signIn} />
    </main>
  `;
}

/** Does something once, and again when asked to. */
function Attempt({ work, doing }) {
  const [problem, setProblem] = useState(null);
  const attempt = () => {
    setProblem(null);
    work().catch(setProblem);
  };
  useEffect(attempt, []);
  if (!problem) return html`<${Waiting} doing=${doing} />`;
  return html`
    <main class="door">
      <${Logo} />
      <h1>Parley</h1>
      <p class="problem" role="alert">${problem.message}</p>
      <button class="primary" onClick=${attempt}>Try again</button>
    </main>
  `;
}

export function Waiting({ doing }) {
  return html`<main class="door"><p class="waiting" role="status">${doing}…</p></main>`;
}

function KeyForm({ signIn }) {
  const submit = (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get('key').trim();
    if (token) signIn({ token });
  };
  return html`
    <p>To sign in, open the link that <code>parley serve</code> printed when it first started.</p>
    <p class="quiet">
      A link works once. Where the server runs, this prints another:
      <code class="command">
        parley keys create <span>--kind user</span> <span>--id owner</span> <span>--sign-in</span>
      </code>
    </p>
    <form onSubmit=${submit}>
      <label for="key">Or paste a key</label>
      <div class="field-row">
        <input id="key" name="key" type="password" autocomplete="off" spellcheck=${false}
               placeholder="parley_…" required />
        <button class="primary">Sign in</button>
      </div>
    </form>
  `;
}

function NameForm({ signIn }) {
  const submit = (event) => {
    event.preventDefault();
    signIn({ entityId: new FormData(event.target).get('name') });
  };
  return html`
    <p>This server asks for no credentials. Choose the name that others will see.</p>
    <form onSubmit=${submit}>
      <label for="name">Your name</label>
      <div class="field-row">
        <input id="name" name="name" autocomplete="nickname" autocapitalize="none" spellcheck=${false}
               pattern="[A-Za-z0-9\\-_.:@]{1,128}" required aria-describedby="name-rule" />
        <button class="primary">Enter</button>
      </div>
      <p class="quiet" id="name-rule">Letters, digits and - _ . : @, without spaces.</p>
    </form>
  `;
}
