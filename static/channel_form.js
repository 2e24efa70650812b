// The dialog in which a channel is created.

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.js';

/** `close` is told that the dialog has ended, `enter` which channel is new. */
export function ChannelForm({ chat, close, enter }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const dialog = useRef(null);

  useEffect(() => dialog.current.showModal(), []);

  const create = async (event) => {
    event.preventDefault();
    const fields = new FormData(event.target);
    setBusy(true);
    try {
      const channelId = await chat.create({
        name: fields.get('name'),
        description: fields.get('description'),
        joinable: fields.has('joinable'),
      });
      dialog.current.close();
      enter(channelId);
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };

  return html`
    <dialog ref=${dialog} aria-labelledby="channel-form" onClose=${close}>
      <form onSubmit=${create}>
        <h2 id="channel-form">Create a channel</h2>
        <label for="channel-name">Name</label>
        <input id="channel-name" name="name" required autocomplete="off" autocapitalize="none"
               aria-describedby="channel-rule" />
        <p class="quiet" id="channel-rule">2 to 100 letters, digits, hyphens, underscores and periods.</p>
        <label for="channel-description">What it is about <span class="quiet">(optional)</span></label>
        <input id="channel-description" name="description" autocomplete="off" />
        <label class="choice">
          <input type="checkbox" name="joinable" checked /> Everybody on this server may join
        </label>
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        <div class="actions">
          <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
          <button class="primary" disabled=${isBusy}>Create</button>
        </div>
      </form>
    </dialog>
  `;
}
