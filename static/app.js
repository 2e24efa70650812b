// The page: somebody signs in, and talks.

import { ChatPage } from './chat_page.js';
import { RedeemLink, SignIn, codeInAddress } from './sign_in.js';
import { forget, recall, remember } from './storage.js';
import { html, render, useEffect, useState } from './vendor/htm-preact-3.1.1.js';

function App() {
  const [session, setSession] = useState(() => recall('session'));
  const [code, setCode] = useState(codeInAddress);
  const [problem, setProblem] = useState(null);

  useEffect(() => {
    // A link that is opened where this page is open already changes nothing but the fragment.
    const look = () => setCode(codeInAddress());
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);

  const signIn = (accepted) => {
    remember('session', accepted);
    setSession(accepted);
    setProblem(null);
  };
  const signOut = (reason = null) => {
    forget('session', 'channel', 'read');
    setSession(null);
    setProblem(reason);
  };
  const finishLink = (accepted, reason) => {
    // The code must not stay in the history of the browser.
    history.replaceState(null, '', location.pathname);
    setCode(null);
    if (accepted) signIn(accepted);
    else setProblem(reason);
  };

  if (code) return html`<${RedeemLink} code=${code} onEnd=${finishLink} />`;
  if (session) return html`<${ChatPage} session=${session} signOut=${signOut} />`;
  return html`<${SignIn} problem=${problem} signIn=${signIn} />`;
}

const place = document.getElementById('app');
place.replaceChildren();
render(html`<${App} />`, place);
