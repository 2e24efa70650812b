// What this browser remembers. A browser may forbid storage altogether; then it remembers nothing,
// and the page works until it is closed.

const PREFIX = 'parley.';

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // As said above.
  }
}

export function forget(...names) {
  try {
    names.forEach((name) => localStorage.removeItem(PREFIX + name));
  } catch {
    // As said above.
  }
}
