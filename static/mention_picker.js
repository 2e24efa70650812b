// Whom one may mean who has begun to write an @.

import { WITHIN } from './mentions.js';
import { html, useState } from './vendor/htm-preact-3.1.1.js';

const BEGUN = new RegExp(String.raw`(?:^|(?!${WITHIN}).)@([\p{L}\p{N}_.-]*)$`, 'su');
const PLAIN_ID = /^[\p{L}\p{N}_.:-]{1,32}$/u;
const MOST = 6;
const LIST = 'mentionable';

/** Follows what is written in a textarea; `write` takes its text when somebody was chosen. */
export function useMentionPicker({ field, participants, me, write }) {
  const [begun, setBegun] = useState(null);
  const [at, setAt] = useState(0);
  const found = begun ? find(participants.filter(({ userId }) => userId !== me.id), begun.typed) : [];
  const isOpen = found.length > 0;
  const chosen = Math.min(at, found.length - 1);

  const close = () => setBegun(null);
  const follow = () => {
    setBegun(findBegun(field.current));
    setAt(0);
  };
  const pick = (participant) => {
    field.current.setRangeText(`${mentionOf(participant)} `, begun.from, begun.to, 'end');
    write(field.current.value);
    close();
  };
  /** Tells whether the key was meant for the list. */
  const takeKey = ({ key, isComposing }) => {
    if (!isOpen || isComposing) return false;
    if (key === 'ArrowDown') setAt((chosen + 1) % found.length);
    else if (key === 'ArrowUp') setAt((chosen + found.length - 1) % found.length);
    else if (key === 'Enter' || key === 'Tab') pick(found[chosen]);
    else if (key === 'Escape') close();
    else return false;
    return true;
  };

  const attributes = {
    'aria-autocomplete': 'list',
    'aria-haspopup': 'listbox',
    'aria-controls': isOpen ? LIST : null,
    'aria-activedescendant': isOpen ? optionId(chosen) : null,
  };
  const list = isOpen && html`<${Mentionable} found=${found} chosen=${chosen} pick=${pick} />`;
  return { attributes, list, follow, close, takeKey };
}

function Mentionable({ found, chosen, pick }) {
  return html`
    <ul class="mentionable" id=${LIST} role="listbox" aria-label="Mention somebody">
      ${found.map((participant, index) => html`
        <li key=${participant.userId} id=${optionId(index)} role="option" aria-selected=${index === chosen}
            onMouseDown=${(event) => event.preventDefault()} onClick=${() => pick(participant)}>
          <bdi class="author">${participant.name}</bdi>
          ${participant.kind === 'agent' && html`<span class="tag">agent</span>`}
          <bdi class="quiet">${participant.handle ? `@${participant.handle}` : participant.userId}</bdi>
        </li>
      `)}
    </ul>
  `;
}

function optionId(index) {
  return `${LIST}-${index}`;
}

/** Returns where the @ stands that is being written, and what follows it so far. */
function findBegun({ value, selectionStart, selectionEnd }) {
  if (selectionStart !== selectionEnd) return null;
  const typed = value.slice(0, selectionStart).match(BEGUN)?.[1];
  return typed === undefined ? null : { typed, from: selectionStart - typed.length - 1, to: selectionStart };
}

function find(participants, typed) {
  const begin = typed.toLowerCase();
  const fits = (text) => text.toLowerCase().startsWith(begin);
  return participants
    .filter(({ userId, name, handle }) => [userId, handle ?? '', name, ...name.split(/\s+/)].some(fits))
    .slice(0, MOST);
}

/** Returns a text that means this participant and nobody else. */
function mentionOf({ userId, name, handle }) {
  if (handle) return `@${handle}`;
  if (PLAIN_ID.test(userId) && !/[-.:]$/.test(userId)) return `@${userId}`;
  return `@[${name.replace(/[[\]\n]/g, '') || userId}](${userId})`;
}
