import type { AccountStorage } from './account-types.ts';
import type { Clock } from './clock.ts';
import { randomId } from './random-id.ts';

/** Runs something while no other tab does; rejects as it does. */
export type TabLock = <T>(run: () => Promise<T>) => Promise<T>;

/** What it needs of the browser's Web Locks. */
export interface Locks {
  request<T>(name: string, options: { signal: AbortSignal }, run: () => Promise<T>): Promise<T>;
}

/** A tab that was frozen keeps what it holds; then two at once are better than none. */
const PATIENCE_MS = 12_000;
const LOOK_MS = 100;

/** Web Locks where the page has them: those over plain http have not. */
export function tabLock(name: string, storage: AccountStorage | null, clock: Clock): TabLock {
  const { locks } = (globalThis as { navigator?: { locks?: Locks } }).navigator ?? {};
  if (storage === null) return (run) => run();
  return locks === undefined ? claimLock(`${name}.claim`, storage, clock) : webLock(name, locks, clock);
}

export function webLock(name: string, locks: Locks, clock: Clock): TabLock {
  return (run) =>
    new Promise((resolve, reject) => {
      const patience = new AbortController();
      const stopTimer = clock.after(PATIENCE_MS, () => patience.abort());
      const settle = async (): Promise<void> => {
        stopTimer();
        await run().then(resolve, reject);
      };
      // Refused after too long a wait, or because the page may have no locks, such as one in a sandbox.
      locks.request(name, { signal: patience.signal }, settle).catch(settle);
    });
}

/** A claim in the storage. Two that read it at the same moment both go on: this saves work, and excludes nothing. */
export function claimLock(key: string, storage: AccountStorage, clock: Clock): TabLock {
  const holder = randomId(8);
  const read = (): { holder: string; until: number } | null => {
    try {
      const [by = '', until = ''] = (storage.getItem(key) ?? '').split(' ');
      return by === '' ? null : { holder: by, until: Number(until) };
    } catch {
      return null;
    }
  };
  const isClaimed = (): boolean => {
    const claim = read();
    if (claim === null || claim.holder === holder) return false;
    const leftMs = claim.until - clock.now();
    // One that lasts longer was made before the clock was set back.
    return leftMs > 0 && leftMs <= PATIENCE_MS;
  };
  const write = (text: string | null): void => {
    try {
      if (text === null) storage.removeItem(key);
      else storage.setItem(key, text);
    } catch {
      // Full or forbidden: every tab for itself.
    }
  };
  return async (run) => {
    const startedAt = clock.monotonic();
    while (isClaimed() && clock.monotonic() - startedAt < PATIENCE_MS) {
      await new Promise<void>((resolve) => {
        clock.after(LOOK_MS, resolve);
      });
    }
    write(`${holder} ${clock.now() + PATIENCE_MS}`);
    try {
      return await run();
    } finally {
      if (read()?.holder === holder) write(null);
    }
  };
}
