// The messages of a channel, the newest at the bottom.

import { Down } from './icons.js';
import { Message } from './message.js';
import { describeDay, layOut } from './timeline.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/htm-preact-3.1.1.js';

const NEAR_PX = 80;

export function MessageList({ chat, room, pending }) {
  const messages = useMemo(() => withPending(room.messages, pending, chat.me), [room.messages, pending]);
  const { growing } = room;
  const scroll = useScroll(messages, pending, growing.map(({ text }) => text.length).join());
  const older = useWhenSeen(() => chat.loadOlder(room), [room.messages.length, room.hasOlder, room.problem]);
  // Redrawing a long list at each sign of typing would be felt.
  const { endings } = room.runs;
  const { participants } = room;
  const entries = useMemo(() => draw(layOut(messages), chat, room), [messages, endings, participants]);
  const talk = draw(layOut(growing, messages.at(-1)), chat, room);
  const isEmpty = room.isCurrent && messages.length + growing.length === 0;
  const isUnknown = !room.isCurrent && !room.problem && messages.length === 0;
  return html`
    <div class="log-frame">
      <div class="log" role="log" aria-label="Messages" aria-busy=${room.isLoading} tabindex="0"
           ref=${scroll.log} onScroll=${scroll.onScroll}>
        <div class="log-head">
          ${room.hasOlder && !room.problem && html`<div ref=${older} class="quiet">Loading earlier messages…</div>`}
          ${isUnknown && html`<p class="quiet waiting">Loading…</p>`}
          ${room.problem && html`<${Problem} chat=${chat} room=${room} />`}
        </div>
        ${isEmpty ? html`<${Empty} agents=${room.agents} />` : html`<ol role="list">${[...entries, ...talk]}</ol>`}
      </div>
      ${scroll.isAway && html`
        <button class="to-end" onClick=${scroll.toEnd}>
          <${Down} /> ${scroll.hasNews ? 'New messages' : 'Latest messages'}
        </button>
      `}
    </div>
  `;
}

function draw(entries, chat, room) {
  return entries.map(({ day, message, isFirst }) => {
    if (day) return html`<${Day} key=${day} day=${day} />`;
    return html`<${Message} key=${message.id} message=${message} isFirst=${isFirst}
                            chat=${chat} room=${room} />`;
  });
}

/** Own messages that are not stored yet stand at the end; a stored one has the same id. */
function withPending(messages, pending, me) {
  const stored = new Set(messages.map(({ id }) => id));
  const waiting = pending
    .filter(({ id }) => !stored.has(id))
    .map((item) => ({ ...item, isPending: true, authorId: me.id, authorName: me.id, attachments: [], mentions: [] }));
  return [...messages, ...waiting];
}

/** Keeps the end in sight, or else what is in sight where it is; `growth` is another whenever the end grows. */
function useScroll(messages, pending, growth) {
  const log = useRef(null);
  const last = useRef({ isAtEnd: true, first: null, height: 0, top: 0, sent: 0 });
  const [leftAt, setLeftAt] = useState(null);
  const newest = messages.at(-1)?.id;

  const toEnd = () => {
    log.current.scrollTop = log.current.scrollHeight;
  };

  useLayoutEffect(() => {
    const { isAtEnd, first, height, sent } = last.current;
    const hasOlderOnTop = first !== null && messages[0]?.id !== first;
    if (isAtEnd || pending.length > sent) toEnd();
    else if (hasOlderOnTop) log.current.scrollTop += log.current.scrollHeight - height;
    Object.assign(last.current, {
      first: messages[0]?.id ?? null,
      height: log.current.scrollHeight,
      sent: pending.length,
    });
  }, [messages, growth]);

  useEffect(() => {
    // A keyboard on the screen, or a growing composer, takes its room from the list.
    const observer = new ResizeObserver(() => last.current.isAtEnd && toEnd());
    observer.observe(log.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = log.current;
    const { isAtEnd: wasAtEnd, top } = last.current;
    // The end may be out of sight because the list has become smaller; only scrolling up leaves it.
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX || (wasAtEnd && scrollTop >= top);
    if (isAtEnd !== wasAtEnd) setLeftAt(isAtEnd ? null : newest);
    Object.assign(last.current, { isAtEnd, top: scrollTop });
  };
  return { log, onScroll, toEnd, isAway: leftAt !== null, hasNews: leftAt !== newest };
}

/** Does something while an element is in sight, and again when `inputs` have changed. */
function useWhenSeen(work, inputs) {
  const element = useRef(null);
  useEffect(() => {
    if (!element.current) return undefined;
    const observer = new IntersectionObserver(([entry]) => entry.isIntersecting && work());
    observer.observe(element.current);
    return () => observer.disconnect();
  }, inputs);
  return element;
}

function Day({ day }) {
  return html`<li class="day"><span>${describeDay(day)}</span></li>`;
}

function Problem({ chat, room }) {
  const again = () => (room.isCurrent ? chat.loadOlder(room) : chat.enter(room.channelId));
  return html`<p class="problem" role="alert">${room.problem} <button onClick=${again}>Try again</button></p>`;
}

function Empty({ agents }) {
  const invitation = agents.length > 0 ? `Say something to ${agents[0].name}.` : 'Write the first one.';
  return html`<div class="empty"><p>No messages yet. ${invitation}</p></div>`;
}
