// One message as it stands in the list.

import { Approval } from './approval.js';
import { Endings } from './endings.js';
import { Unclear, withMentions } from './mentions.js';
import { link, withLinks } from './text.js';
import { describeTime } from './timeline.js';
import { html } from './vendor/htm-preact-3.1.1.js';

const TONES = 6;

/** `isFirst` begins a group of one author. */
export function Message({ message, isFirst, chat, room }) {
  const state = describeState(message);
  return html`
    <li class=${`message${isFirst ? ' first' : ''}${state}`}
        aria-busy=${message.isGrowing ? 'true' : null}>
      ${isFirst && html`<${Byline} message=${message} />`}
      <time class="at" datetime=${new Date(message.createdAt).toISOString()}>${describeTime(message.createdAt)}</time>
      <div class="said">
        <p class="text" dir="auto">${formatted(message, chat.me)}</p>
        ${message.isEdited && html` <span class="quiet">(edited)</span>`}
        ${message.isPartial && html` <span class="quiet">(cut short)</span>`}
      </div>
      ${message.attachments.length > 0 && html`<${Attachments} attachments=${message.attachments} />`}
      ${message.problem && html`<${Unsent} message=${message} outbox=${chat.outbox} />`}
      ${message.approval && html`<${Approval} chat=${chat} room=${room} message=${message} />`}
      ${message.authorId === chat.me.id && html`<${Unclear} mentions=${message.mentions} />`}
      <${Endings} endings=${room.runs.endings.get(message.id)} nameOf=${(id) => room.nameOf(id)} />
    </li>
  `;
}

/** Nothing is known yet of what is still being said. */
function formatted({ text, mentions, isGrowing }, me) {
  if (isGrowing) return text;
  return withLinks(text).flatMap((part) => (typeof part === 'string' ? withMentions(part, mentions, me) : [part]));
}

function describeState({ isPending, isGrowing, problem }) {
  if (isGrowing) return ' growing';
  if (isPending) return problem ? ' failed' : ' pending';
  return '';
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

function Unsent({ message, outbox }) {
  return html`
    <p class="problem" role="alert">
      Not sent. ${message.problem}
      <button onClick=${() => outbox.retry(message.id)}>Try again</button>
      <button onClick=${() => outbox.discard(message.id)}>Discard</button>
    </p>
  `;
}

function Attachments({ attachments }) {
  const isElsewhere = ({ url }) => /^https?:\/\//.test(url);
  return html`
    <ul class="attachments" role="list">
      ${attachments.filter(isElsewhere).map(({ url, name }) => html`<li>${link(url, name ?? url)}</li>`)}
    </ul>
  `;
}
