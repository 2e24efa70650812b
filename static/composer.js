// Where a message is written.

import { Send } from './icons.js';
import { useMentionPicker } from './mention_picker.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from './vendor/htm-preact-3.1.1.js';

const WARN_BELOW = 200;

export function Composer({ chat, channel }) {
  const field = useRef(null);
  const [text, setText] = useState(() => chat.drafts.get(chat.open) ?? '');
  const remaining = chat.maxContent - lengthOf(text);
  const isSendable = text.trim() !== '' && remaining >= 0;

  useLayoutEffect(() => {
    field.current.style.height = 'auto';
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [text]);

  useEffect(() => {
    // On a touch screen the keyboard would cover what is to be read.
    if (matchMedia('(hover: hover)').matches) field.current.focus();
  }, []);

  const write = (written) => {
    chat.drafts.set(chat.open, written);
    setText(written);
  };
  const { participants } = chat.room(chat.open);
  const picker = useMentionPicker({ field, participants, me: chat.me, write });
  const change = ({ target }) => {
    write(target.value);
    picker.follow();
    chat.type(target.value !== '');
  };
  const send = (event) => {
    event.preventDefault();
    if (!isSendable) return;
    chat.say(text.trimEnd());
    write('');
    field.current.focus();
  };
  const takeKey = (event) => {
    if (picker.takeKey(event)) {
      event.preventDefault();
      return;
    }
    // Enter also ends the choice of a character where several keys make one.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  };

  return html`
    <form class="composer" onSubmit=${send}>
      ${picker.list}
      <textarea ...${picker.attributes} ref=${field} rows="1" value=${text} aria-label="Message" dir="auto"
                enterkeyhint="send" placeholder=${channel ? `Message ${channel.name}` : ''} onInput=${change}
                onKeyDown=${takeKey} onClick=${picker.follow} onBlur=${picker.close}></textarea>
      ${remaining < WARN_BELOW && html`
        <output class=${remaining < 0 ? 'remaining over' : 'remaining'}>${describe(remaining)}</output>
      `}
      <button class="primary send" aria-label="Send" disabled=${!isSendable}><${Send} /></button>
    </form>
  `;
}

/** The server counts code points, not the halves of which JavaScript's strings consist. */
function lengthOf(text) {
  return Array.from(text).length;
}

function describe(remaining) {
  return remaining < 0 ? `${-remaining} too many` : `${remaining} left`;
}
