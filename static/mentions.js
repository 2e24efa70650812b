// Mentions in a text, as the server has understood them; see "Mentions" in docs/api.md.

import { html } from './vendor/htm-preact-3.1.1.js';

/** What an @ that stands within a word, an address or a URL has before it. */
export const WITHIN = String.raw`[\p{L}\p{N}_\-.+/=%@]`;

const WORD = /^@[\p{L}\p{N}_.:-]+$/u;
// A longer word is another one; what ends a sentence is no part of it.
const END_OF_WORD = String.raw`(?![-.:]*[\p{L}\p{N}_@])`;

/** Returns the text with everybody whom it mentions set off, and oneself more. */
export function withMentions(text, mentions, me) {
  const byText = new Map(mentions.filter(({ id }) => id).map((mention) => [mention.text.toLowerCase(), mention]));
  if (byText.size === 0) return [text];
  return text.split(patternOf([...byText.keys()])).map((part, index) => {
    const isMention = index % 2 === 1;
    return isMention ? html`<${Mention} text=${part} who=${byText.get(part.toLowerCase())} me=${me} />` : part;
  });
}

function patternOf(texts) {
  // Of two that begin alike the longer one is meant.
  const alternatives = texts.sort((one, other) => other.length - one.length).map(sourceOf);
  return new RegExp(`(?<!${WITHIN})(${alternatives.join('|')})`, 'iu');
}

function sourceOf(text) {
  const literal = text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return WORD.test(text) ? literal + END_OF_WORD : literal;
}

function Mention({ text, who, me }) {
  // What stands in brackets is up to whoever wrote it; the name is not.
  const shown = text.startsWith('@[') ? `@${who.name}` : text;
  const isMine = who.id === me.id;
  return html`<mark class=${isMine ? 'mention mine' : 'mention'} title=${isMine ? 'You' : who.name}>${shown}</mark>`;
}

/** Says whose mention has reached nobody. */
export function Unclear({ mentions }) {
  const unclear = mentions.filter(({ id }) => !id);
  return unclear.map(({ text }) => html`
    <p class="note quiet"><bdi>${text}</bdi> is the name of several participants: nobody was told.</p>
  `);
}
