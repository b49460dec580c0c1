import type { Clock } from './clock.ts';

const CHECK_MS = 5_000;
/** So much later than asked for is a timer of a device that slept or of a tab in the background. */
const LATE_MS = 10_000;

/** What a page is told of its life; not there in Node.js. */
interface Page {
  readonly document?: EventTarget & { readonly visibilityState: string };
  readonly addEventListener?: EventTarget['addEventListener'];
  readonly removeEventListener?: EventTarget['removeEventListener'];
}

/**
 * Calls back when the device may have slept or changed its network: timers stood still, and the transport may be dead
 * without a word. Returns what ends it.
 */
export function watchForWaking(clock: Clock, wake: () => void): () => void {
  let stopTimer: () => void;
  let checkedAt = clock.now();
  const check = (): void => {
    const elapsedMs = clock.now() - checkedAt;
    checkedAt = clock.now();
    stopTimer = clock.after(CHECK_MS, check);
    if (elapsedMs > CHECK_MS + LATE_MS) wake();
  };
  stopTimer = clock.after(CHECK_MS, check);
  const page: Page = globalThis;
  const onVisible = (): void => {
    if (page.document?.visibilityState === 'visible') wake();
  };
  page.document?.addEventListener('visibilitychange', onVisible);
  page.document?.addEventListener('resume', wake);
  for (const event of ['online', 'pageshow']) page.addEventListener?.(event, wake);
  return () => {
    stopTimer();
    page.document?.removeEventListener('visibilitychange', onVisible);
    page.document?.removeEventListener('resume', wake);
    for (const event of ['online', 'pageshow']) page.removeEventListener?.(event, wake);
  };
}
