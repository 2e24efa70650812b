// Text of messages: plain, but for links.

import { html } from './vendor/htm-preact-3.1.1.js';

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/g;

/** Returns the text with every address in it as a link. */
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = withoutPunctuation(found[0]);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(end, found.index), link(address));
    end = found.index + address.length;
  }
  return [...parts, text.slice(end)];
}

export function link(address, label = address) {
  return html`<a href=${address} target="_blank" rel="noopener noreferrer">${label}</a>`;
}

/** An address seldom ends with what ends a sentence; a closing bracket is its own if it was opened in it. */
function withoutPunctuation(address) {
  const cut = address.replace(/[.,;:!?'*_]+$/, '');
  const isUnopened = cut.endsWith(')') && !cut.includes('(');
  return isUnopened ? withoutPunctuation(cut.slice(0, -1)) : cut;
}
