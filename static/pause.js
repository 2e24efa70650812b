// That the agents of a channel were stopped because they went on and on, and why.

import { useAttempts } from './attempts.js';
import { html } from './vendor/htm-preact-3.1.1.js';

const SENTENCES = new Map([
  ['hops', 'Agents have answered each other too often without a person.'],
  ['repetition', 'An agent has said the same again and again.'],
  ['pair', 'Two agents have said too much to each other.'],
  ['share', 'Agents have said too much within a minute.'],
]);

export function Pause({ chat, room }) {
  // The place is there before the notice, so that it is read out.
  return html`
    <div class="pause-place" role="status">${room.pause && html`<${Notice} chat=${chat} room=${room} />`}</div>
  `;
}

function Notice({ chat, room }) {
  const { attempt, isBusy, problem } = useAttempts();
  return html`
    <div class="pause quiet">
      <p>
        ${SENTENCES.get(room.pause) ?? 'Agents went too far.'} They are paused here until somebody writes.
        ${problem && ` ${problem}`}
      </p>
      ${room.isManagedBy(chat.me.id) && html`
        <button class="small" disabled=${isBusy} onClick=${() => attempt(() => chat.resumeAgents(room))}>
          Let them go on
        </button>
      `}
    </div>
  `;
}
