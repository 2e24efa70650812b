// The messages of a channel, the newest at the bottom.

import { Down } from './icons.js';
import { link, withLinks } from './text.js';
import { describeDay, describeTime, layOut } from './timeline.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/htm-preact-3.1.1.js';

const NEAR_PX = 80;
const TONES = 6;

export function MessageList({ chat, room, pending }) {
  const messages = useMemo(() => withPending(room.messages, pending, chat.me), [room.messages, pending]);
  const scroll = useScroll(messages, pending);
  const older = useWhenSeen(() => chat.loadOlder(room), [room.messages.length, room.hasOlder, room.problem]);
  // Redrawing a long list at each sign of typing would be felt.
  const entries = useMemo(
    () => layOut(messages).map((entry) => (entry.day ? Day(entry) : Message({ ...entry, outbox: chat.outbox }))),
    [messages],
  );
  const isEmpty = room.isCurrent && messages.length === 0;
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
        ${isEmpty ? html`<${Empty} agents=${room.agents} />` : html`<ol role="list">${entries}</ol>`}
      </div>
      ${scroll.isAway && html`
        <button class="to-end" onClick=${scroll.toEnd}>
          <${Down} /> ${scroll.hasNews ? 'New messages' : 'Latest messages'}
        </button>
      `}
    </div>
  `;
}

/** Own messages that are not stored yet stand at the end; a stored one has the same id. */
function withPending(messages, pending, me) {
  const stored = new Set(messages.map(({ id }) => id));
  const waiting = pending
    .filter(({ id }) => !stored.has(id))
    .map((item) => ({ ...item, isPending: true, authorId: me.id, authorName: me.id, attachments: [] }));
  return [...messages, ...waiting];
}

/** Keeps the end in sight, or else what is in sight where it is. */
function useScroll(messages, pending) {
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
  }, [messages]);

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
  return html`<li class="day" key=${day}><span>${describeDay(day)}</span></li>`;
}

function Message({ message, isFirst, outbox }) {
  const state = message.isPending ? (message.problem ? ' failed' : ' pending') : '';
  return html`
    <li class=${`message${isFirst ? ' first' : ''}${state}`} key=${message.id}>
      ${isFirst && html`<${Byline} message=${message} />`}
      <time class="at" datetime=${new Date(message.createdAt).toISOString()}>${describeTime(message.createdAt)}</time>
      <p class="text" dir="auto">${withLinks(message.text)}</p>
      ${message.attachments.length > 0 && html`<${Attachments} attachments=${message.attachments} />`}
      ${message.problem && html`
        <p class="problem" role="alert">
          Not sent. ${message.problem}
          <button onClick=${() => outbox.retry(message.id)}>Try again</button>
          <button onClick=${() => outbox.discard(message.id)}>Discard</button>
        </p>
      `}
    </li>
  `;
}

function Byline({ message: { authorId, authorName, isByAgent } }) {
  const shape = isByAgent ? 'avatar agent' : 'avatar';
  return html`
    <span class=${`${shape} tone-${toneOf(authorId)}`} aria-hidden="true">${Array.from(authorName)[0].toUpperCase()}</span>
    <p class="byline">
      <bdi class="author">${authorName}</bdi>${isByAgent && html` <span class="tag">agent</span>`}
    </p>
  `;
}

/** The same author has the same colour everywhere. */
function toneOf(authorId) {
  return Array.from(authorId).reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % TONES;
}

function Attachments({ attachments }) {
  const isElsewhere = ({ url }) => /^https?:\/\//.test(url);
  return html`
    <ul class="attachments" role="list">
      ${attachments.filter(isElsewhere).map(({ url, name }) => html`<li>${link(url, name ?? url)}</li>`)}
    </ul>
  `;
}

function Problem({ chat, room }) {
  const again = () => (room.isCurrent ? chat.loadOlder(room) : chat.enter(room.channelId));
  return html`<p class="problem" role="alert">${room.problem} <button onClick=${again}>Try again</button></p>`;
}

function Empty({ agents }) {
  const invitation = agents.length > 0 ? `Say something to ${agents[0].name}.` : 'Write the first one.';
  return html`<div class="empty"><p>No messages yet. ${invitation}</p></div>`;
}
