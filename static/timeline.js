// How a channel's messages are laid out: by day, and in groups of one author.

const GROUP_MS = 5 * 60_000;

/** Returns entries in order, either {day} or {message, isFirst}, where isFirst begins a group behind `last`. */
export function layOut(messages, last = null) {
  const entries = [];
  for (const message of messages) {
    const isNewDay = !last || dayOf(last) !== dayOf(message);
    if (isNewDay) entries.push({ day: message.createdAt });
    entries.push({ message, isFirst: isNewDay || !belongsTo(last, message) });
    last = message;
  }
  return entries;
}

function belongsTo(last, message) {
  return last.authorId === message.authorId && message.createdAt - last.createdAt < GROUP_MS;
}

function dayOf({ createdAt }) {
  return new Date(createdAt).toDateString();
}

export function describeDay(ms, now = new Date()) {
  const day = new Date(ms);
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day.toDateString() === now.toDateString()) return 'Today';
  if (day.toDateString() === yesterday.toDateString()) return 'Yesterday';
  const year = day.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  return day.toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long', year });
}

export function describeTime(ms) {
  return new Date(ms).toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });
}

/** Tells the day, too, if it is not today. */
export function describeMoment(ms) {
  const day = describeDay(ms);
  return day === 'Today' ? describeTime(ms) : `${day}, ${describeTime(ms)}`;
}
