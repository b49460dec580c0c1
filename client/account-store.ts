import type { AccountStorage, User } from './account-types.ts';
import { hasFields, isRecord } from './wire.ts';

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSeconds: number;
}

/** A login as this device keeps it. */
export interface StoredAccount extends TokenPair {
  readonly user: User;
  /** Milliseconds since 1970, by a clock that may be set. */
  readonly receivedAt: number;
}

/** The login in a storage that tabs share; in memory where there is none, or it is full or forbidden. */
export class AccountStore {
  readonly #storage: AccountStorage | null;
  readonly #key: string;
  #held: StoredAccount | null = null;
  /** What the storage was seen to hold, of which `#held` is what could be read. */
  #text: string | null = null;
  #isStored: boolean;

  constructor(storage: AccountStorage | null, key: string) {
    this.#storage = storage;
    this.#key = key;
    this.#isStored = storage !== null;
  }

  /** The same object until it changes, here or in another tab. */
  load(): StoredAccount | null {
    if (this.#storage === null || !this.#isStored) return this.#held;
    try {
      const text = this.#storage.getItem(this.#key);
      if (text === this.#text) return this.#held;
      this.#text = text;
      this.#held = parseStored(text);
    } catch {
      // Forbidden: what was here stays, for as long as the page does.
      this.#isStored = false;
    }
    return this.#held;
  }

  save(account: StoredAccount | null): void {
    this.#held = account;
    const storage = this.#storage;
    if (storage === null) return;
    try {
      this.#text = account === null ? null : JSON.stringify(account);
      if (this.#text === null) storage.removeItem(this.#key);
      else storage.setItem(this.#key, this.#text);
      this.#isStored = true;
    } catch {
      this.#isStored = false;
      this.#drop(storage);
    }
  }

  /** A refresh token that was replaced ends its login when a reloaded page uses it. */
  #drop(storage: AccountStorage): void {
    try {
      storage.removeItem(this.#key);
    } catch {
      // Forbidden altogether, and so for the reloaded page.
    }
  }
}

export function parsePair(value: unknown): TokenPair | null {
  if (!hasFields(value, 'accessToken refreshToken')) return null;
  const { accessToken, refreshToken, expiresInSeconds } = value;
  const isWhole = accessToken !== '' && refreshToken !== '' && isPositive(expiresInSeconds);
  // Each has been looked at.
  return isWhole ? ({ accessToken, refreshToken, expiresInSeconds } as TokenPair) : null;
}

export function parseUser(value: unknown): User | null {
  if (!hasFields(value, 'id name') || value.id === '') return null;
  const { id, email, name, createdAt } = value;
  if (![email, createdAt].every((text) => text === null || typeof text === 'string')) return null;
  // Each has been looked at.
  return { id, email, name, createdAt } as User;
}

function parseStored(text: string | null): StoredAccount | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Written by something else: nobody is signed in.
    return null;
  }
  if (!isRecord(value)) return null;
  const [pair, user, receivedAt] = [parsePair(value), parseUser(value.user), value.receivedAt];
  return pair !== null && user !== null && typeof receivedAt === 'number' ? { ...pair, user, receivedAt } : null;
}

function isPositive(value: unknown): boolean {
  return Number.isFinite(value) && (value as number) > 0;
}
