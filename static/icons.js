// Drawings, in the colour of the text around them; what they mean is said by their button.

import { html } from './vendor/htm-preact-3.1.1.js';

function stroke(path) {
  return () => html`
    <svg class="icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6"
         stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${path} /></svg>
  `;
}

export const Menu = stroke('M3.5 6h13M3.5 10h13M3.5 14h13');
export const Plus = stroke('M10 4v12M4 10h12');
export const Close = stroke('M5 5l10 10M15 5L5 15');
export const Send = stroke('M10 16V4M5 9l5-5 5 5');
export const Down = stroke('M10 4v12M5 11l5 5 5-5');
export const Hash = stroke('M8 3.5l-1.5 13M13.5 3.5l-1.5 13M4 7.5h13M3 12.5h13');
export const Leave = stroke('M8 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16H8M12.5 13.5L16 10l-3.5-3.5M16 10H8');

export const Logo = () => html`
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
    <path class="second" d="M14 10.5h11.5a4.5 4.5 0 0 1 4.5 4.5v6a4.5 4.5 0 0 1-4.5 4.5h-.5v4.5l-5.5-4.5H14a4.5 4.5 0 0 1-4.5-4.5v-6a4.5 4.5 0 0 1 4.5-4.5z" />
    <path d="M6.5 2.5h12a4.5 4.5 0 0 1 4.5 4.5v6a4.5 4.5 0 0 1-4.5 4.5h-6L7 22v-4.5h-.5A4.5 4.5 0 0 1 2 13V7a4.5 4.5 0 0 1 4.5-4.5z" />
  </svg>
`;
