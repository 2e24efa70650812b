// The channels, and who is signed in. On a narrow screen it is a drawer.

import { ChannelForm } from './channel_form.js';
import { Close, Hash, Leave, Plus } from './icons.js';
import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.js';

export function Sidebar({ chat, isOpen, close, signOut }) {
  const [isCreating, setCreating] = useState(false);
  const drawer = useRef(null);

  useEffect(() => {
    if (!isOpen) return undefined;
    const opener = document.activeElement;
    drawer.current.querySelector('button').focus({ preventScroll: true });
    return () => opener?.focus();
  }, [isOpen]);

  const enter = (channelId) => {
    chat.enter(channelId);
    close();
  };
  const closeOnEscape = (event) => event.key === 'Escape' && close();
  const closeWhenLeft = ({ currentTarget, relatedTarget }) => {
    if (relatedTarget && !currentTarget.contains(relatedTarget)) close();
  };

  return html`
    <div class="backdrop" hidden=${!isOpen} onClick=${close}></div>
    <aside id="sidebar" class=${isOpen ? 'sidebar open' : 'sidebar'} aria-label="Channels" ref=${drawer}
           onKeyDown=${closeOnEscape} onfocusout=${closeWhenLeft}>
      <header class="bar">
        <h2><bdi>${chat.server.name}</bdi></h2>
        <button class="bare only-narrow" aria-label="Close" onClick=${close}><${Close} /></button>
      </header>
      <nav aria-label="Channels">
        <div class="heading">
          <h3>Channels</h3>
          <button class="bare" aria-label="Create a channel" title="Create a channel"
                  onClick=${() => setCreating(true)}><${Plus} /></button>
        </div>
        <ul role="list">
          ${chat.channels.map((channel) => html`
            <${Entry} key=${channel.id} channel=${channel} enter=${enter}
                      isOpen=${channel.id === chat.open} isUnread=${chat.isUnread(channel)} />
          `)}
        </ul>
        ${chat.joinable.length > 0 && html`
          <div class="heading"><h3>You can join</h3></div>
          <ul role="list">
            ${chat.joinable.map((channel) => html`
              <${Entry} key=${channel.id} channel=${channel} enter=${enter} isOpen=${channel.id === chat.open} />
            `)}
          </ul>
        `}
      </nav>
      <footer class="bar">
        <p class="me"><span class="quiet">Signed in as</span> <bdi>${chat.me.id}</bdi></p>
        <button class="bare" aria-label="Sign out" title="Sign out" onClick=${signOut}><${Leave} /></button>
      </footer>
      ${isCreating && html`<${ChannelForm} chat=${chat} close=${() => setCreating(false)} enter=${enter} />`}
    </aside>
  `;
}

function Entry({ channel, enter, isOpen, isUnread }) {
  return html`
    <li>
      <button class=${isUnread ? 'entry unread' : 'entry'} aria-current=${isOpen ? 'true' : null}
              onClick=${() => enter(channel.id)}>
        <${Hash} /><bdi class="name">${channel.name}</bdi>
        ${isUnread && html`<span class="dot"></span><span class="aside">unread</span>`}
      </button>
    </li>
  `;
}
