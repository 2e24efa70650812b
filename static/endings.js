// How a run ended that brought no answer, in plain words.

import { html } from './vendor/htm-preact-3.1.1.js';

// By reason, or else by state; what an agent does goes on behind its name.
const SENTENCES = new Map([
  ['silent', 'has nothing to say.'],
  ['ignored', 'has nothing to say.'],
  ['agent_offline', 'is offline and has not answered.'],
  ['undeliverable', 'could not be reached.'],
  ['agent_error', 'could not answer: something went wrong.'],
  ['bad_response', 'could not answer: something went wrong.'],
  ['removed', 'has left before it answered.'],
  ['failed', 'could not answer.'],
  ['cancelled', 'was stopped before it answered.'],
  ['unanswered', 'did not take this up in time.'],
  ['lease', 'has stopped responding.'],
  ['too_long', 'took too long.'],
  ['timed_out', 'did not answer in time.'],
]);

export function Endings({ endings = [], nameOf }) {
  return endings.map(({ id, agentId, state, reason }) => html`
    <p class="note quiet" key=${id}>
      <bdi>${nameOf(agentId)}</bdi> ${SENTENCES.get(reason) ?? SENTENCES.get(state)}
    </p>
  `);
}
