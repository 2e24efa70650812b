// The page of somebody who is signed in: the channels at one side, a conversation at the other.

import { Activity } from './activity.js';
import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { Hash, Menu } from './icons.js';
import { MessageList } from './message_list.js';
import { Pause } from './pause.js';
import { Sidebar } from './sidebar.js';
import { Waiting } from './sign_in.js';
import { html, useEffect, useMemo, useReducer, useState } from './vendor/htm-preact-3.1.1.js';

export function ChatPage({ session, signOut }) {
  const chat = useChat(session, signOut);
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const channel = [...chat.channels, ...chat.joinable].find(({ id }) => id === chat.open);
  const hasNews = chat.channels.some((other) => chat.isUnread(other));

  useEffect(() => {
    document.title = [hasNews && '•', channel && `${channel.name} ·`, 'Parley'].filter(Boolean).join(' ');
  }, [channel?.name, hasNews]);

  if (!chat.me) return html`<${Waiting} doing=${chat.link === 'offline' ? 'Offline, trying again' : 'Connecting'} />`;
  const toggle = html`
    <button class="bare only-narrow menu" aria-label="Channels" aria-expanded=${isDrawerOpen}
            aria-controls="sidebar" onClick=${() => setDrawerOpen(true)}>
      <${Menu} />${hasNews && html`<span class="dot"></span>`}
    </button>
  `;
  return html`
    <div class="chat">
      <${Sidebar} chat=${chat} isOpen=${isDrawerOpen} close=${() => setDrawerOpen(false)} signOut=${() => signOut()} />
      <main class="conversation">
        <${LinkState} link=${chat.link} />
        ${chat.open
          ? html`<${Conversation} key=${chat.open} chat=${chat} channel=${channel} toggle=${toggle} />`
          : html`<${NoChannel} chat=${chat} toggle=${toggle} />`}
      </main>
    </div>
  `;
}

function useChat(session, signOut) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const chat = useMemo(() => new Chat(session, { changed: onceAFrame(redraw), refused: signOut }), [session]);
  useEffect(() => {
    chat.start();
    return () => chat.stop();
  }, [chat]);
  return chat;
}

function LinkState({ link }) {
  const sentence = { connecting: 'Connecting…', offline: 'Offline. Trying to connect again…' }[link];
  return html`<p class="link-state" role="status" hidden=${!sentence}>${sentence}</p>`;
}

function Conversation({ chat, channel, toggle }) {
  const room = chat.room(chat.open);
  const pending = useMemo(
    () => chat.outbox.items.filter(({ channelId }) => channelId === room.channelId),
    [chat.outbox.items, room],
  );
  return html`
    <header class="bar">
      ${toggle}
      <div class="title">
        <h1><${Hash} /><bdi>${channel?.name}</bdi></h1>
        <p class="quiet">${channel?.description}</p>
      </div>
      <${Present} participants=${room.participants} />
    </header>
    <${MessageList} chat=${chat} room=${room} pending=${pending} />
    <${Pause} chat=${chat} room=${room} />
    <${Activity} chat=${chat} room=${room} />
    <${Composer} chat=${chat} channel=${channel} />
  `;
}

function Present({ participants }) {
  const names = participants.map(({ name, kind }) => (kind === 'agent' ? `${name} (agent)` : name));
  const count = names.length === 1 ? '1 participant' : `${names.length} participants`;
  return names.length > 0 && html`<p class="present quiet" title=${names.join('\n')}>${count}</p>`;
}

function NoChannel({ chat, toggle }) {
  return html`
    <header class="bar only-narrow">${toggle}</header>
    <div class="empty">
      <p>${chat.joinable.length ? 'Join a channel to begin.' : 'There is no channel here yet. Create the first one.'}</p>
      <ul class="choices" role="list">
        ${chat.joinable.map(({ id, name }) => html`
          <li key=${id}><button onClick=${() => chat.enter(id)}>Join ${name}</button></li>
        `)}
      </ul>
    </div>
  `;
}

/** Draws with the next frame, however often it is asked until then: who was away hears much at once. */
function onceAFrame(draw) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      draw();
    });
  };
}
