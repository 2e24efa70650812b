// What a message asks people for: buttons while it can be decided, and then what came of it.

import { useAttempts } from './attempts.js';
import { describeMoment } from './timeline.js';
import { html } from './vendor/htm-preact-3.1.1.js';

export function Approval({ chat, room, message }) {
  const { id, approval } = message;
  const isOpen = approval.state === 'requested';
  if (isOpen && room.mayDecide(chat.me.id, message)) return html`<${Choice} chat=${chat} messageId=${id} ...${approval} />`;
  return html`<p class="outcome">${isOpen ? describeWaiting(approval) : describeOutcome(approval, room, chat.me)}</p>`;
}

function Choice({ chat, messageId, options, expires_at }) {
  const { attempt, isBusy, problem } = useAttempts();
  return html`
    <div class="options" role="group" aria-label="Decide">
      ${options.map((option) => html`
        <button key=${option} disabled=${isBusy} onClick=${() => attempt(() => chat.decide(messageId, option))}>
          <bdi>${option}</bdi>
        </button>
      `)}
    </div>
    <p class="note quiet">Open until ${describeMoment(expires_at)}.</p>
    ${problem && html`<p class="note" role="status">${problem}</p>`}
  `;
}

function Option({ text }) {
  return html`<bdi class="option">${text}</bdi>`;
}

function describeWaiting({ options }) {
  return html`Others decide: ${options.map((option) => html`<${Option} key=${option} text=${option} /> `)}`;
}

function describeOutcome({ state, choice, resolved_by }, room, me) {
  if (state === 'resolved') {
    const who = resolved_by === me.id ? 'You' : html`<bdi>${room.nameOf(resolved_by)}</bdi>`;
    return html`${who} chose <${Option} text=${choice} />`;
  }
  if (state === 'expired') return 'The time to decide is over. Nobody has chosen.';
  return 'Nobody needs to decide this any more.';
}
