// Who is busy in a channel: agents that think, and people who type.

import { useAttempts } from './attempts.js';
import { html } from './vendor/htm-preact-3.1.1.js';

export function Activity({ chat, room }) {
  // Without a connection nobody knows what has ended.
  const runs = chat.link === 'online' ? room.runs.underWay : [];
  const mine = runs.filter((run) => chat.mayCancel(room, run));
  return html`
    <div class="activity quiet">
      <p class="thinking" role="status">${runs.length > 0 && html`<${Thinking} room=${room} runs=${runs} />`}</p>
      ${mine.length > 0 && html`<${Stop} chat=${chat} room=${room} runs=${mine} />`}
      <p class="typing">${describeTyping(room.typing)}</p>
    </div>
  `;
}

function Thinking({ room, runs }) {
  const agents = namesOf(room, runs);
  const [one, several] = doingOf(room, runs);
  return agents.length === 1
    ? html`<span><bdi>${agents[0]}</bdi> ${one}…</span>`
    : html`<span>${agents.length} agents ${several}…</span>`;
}

function doingOf(room, runs) {
  if (runs.every(({ agent_id }) => room.isAsking(agent_id))) return ['needs a decision', 'need a decision'];
  if (runs.every(({ state }) => state === 'streaming')) return ['is answering', 'are answering'];
  return ['is thinking', 'are thinking'];
}

function Stop({ chat, room, runs }) {
  const { attempt, isBusy, problem } = useAttempts();
  return html`
    <button class="small" aria-label=${`Stop ${namesOf(room, runs).join(', ')}`} disabled=${isBusy}
            onClick=${() => attempt(() => chat.cancel(room, runs))}>
      Stop
    </button>
    ${problem && html`<p role="status">${problem}</p>`}
  `;
}

function namesOf(room, runs) {
  return [...new Set(runs.map((run) => run.agent_id))].map((id) => room.nameOf(id));
}

function describeTyping(names) {
  if (names.length === 0) return '';
  if (names.length > 2) return 'Several people are typing…';
  return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
