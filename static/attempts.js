// For buttons that ask the server for something.

import { useState } from './vendor/htm-preact-3.1.1.js';

/** Does one thing at a time, and keeps the sentence in which the server said no to it. */
export function useAttempts() {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const attempt = async (work) => {
    setBusy(true);
    setProblem(null);
    await work().catch((error) => setProblem(error.message));
    setBusy(false);
  };
  return { attempt, isBusy, problem };
}
