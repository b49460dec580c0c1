import { v7 as uuidv7 } from 'uuid';
import { AccessTokens } from '../../server/auth/access-tokens.ts';
import { Authenticator } from '../../server/auth/authenticator.ts';
import type { AccountStore, Revocation } from '../../server/auth/ports.ts';
import { RevocationTerms } from '../../server/auth/revocation-terms.ts';
import { Revocations } from '../../server/auth/revocations.ts';
import { MemoryRevocations } from '../../server/state/memory/memory-revocations.ts';

const SECRETS = ['a-secret-of-the-bench-alone-a-secret-of-the-bench-alone'];
const TTL_MS = 900_000;
/** Between turns the timers run that keep the revocations fresh, as they do in a server. */
const TURN = 500;

/** What decides about a token, as a server has it: `Authenticator` over tokens and over revocations that are read. */
export class TokenChecks {
  readonly #revocations: Revocations;
  readonly #tokens: () => AccessTokens;
  #authenticator: Authenticator | null = null;

  private constructor(revocations: Revocations, tokens: () => AccessTokens) {
    this.#revocations = revocations;
    this.#tokens = tokens;
  }

  /** `revoked` are logins that have ended. `stop` it. */
  static async open(revoked: readonly string[]): Promise<TokenChecks> {
    const now = () => Date.now();
    const terms = new RevocationTerms({ lifeMs: newTokens().lifeMs, now });
    const store = storeOf(revoked.map((loginId) => terms.ofLogin(loginId)));
    const onFault = (error: unknown) => {
      throw error;
    };
    const revocations = new Revocations({ store, feed: new MemoryRevocations(), now, onFault });
    await revocations.start();
    return new TokenChecks(revocations, newTokens);
  }

  get activeRevocations(): number {
    return this.#revocations.activeCount;
  }

  /** From here on no token has been seen. */
  forget(): void {
    this.#authenticator = new Authenticator({
      tokens: this.#tokens(),
      revocations: this.#revocations,
      onOutcome: () => undefined,
    });
  }

  /** Checks so many times, the tokens in turn. Gives the microseconds of CPU of this process per check. */
  async measure(tokens: readonly string[], checks: number, expected: 'accepted' | 'refused'): Promise<number> {
    const authenticator = this.#authenticator;
    if (authenticator === null) throw new Error('forget first');
    let accepted = 0;
    let micros = 0;
    for (let done = 0; done < checks; done += TURN) {
      const turn = Math.min(TURN, checks - done);
      const before = process.cpuUsage();
      for (let index = done; index < done + turn; index += 1) {
        const token = tokens[index % tokens.length] ?? '';
        accepted += await authenticator.authenticate(token).then(one, none);
      }
      const { user, system } = process.cpuUsage(before);
      micros += user + system;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (accepted !== (expected === 'accepted' ? checks : 0)) {
      throw new Error(`expected ${checks} tokens to be ${expected}, but ${accepted} of them were accepted`);
    }
    return micros / checks;
  }

  stop(): Promise<void> {
    return this.#revocations.stop();
  }
}

export interface MadeToken {
  readonly token: string;
  readonly loginId: string;
}

/** Tokens of as many logins, each of another user. */
export async function makeTokens(count: number): Promise<MadeToken[]> {
  const tokens = newTokens();
  const made: MadeToken[] = [];
  for (let index = 0; index < count; index += 1) {
    const loginId = uuidv7();
    made.push({ token: (await tokens.issue(uuidv7(), loginId)).accessToken, loginId });
  }
  return made;
}

function newTokens(): AccessTokens {
  const names = { issuer: 'tandem', audience: 'tandem' };
  const accounts = { findUser: () => Promise.resolve(null) };
  return new AccessTokens({ ...names, secrets: SECRETS, ttlMs: TTL_MS, foreign: [], accounts, now: () => Date.now() });
}

function storeOf(kept: readonly Revocation[]): Pick<AccountStore, 'revoke' | 'revocations'> {
  return {
    revoke: () => Promise.resolve(),
    revocations: (since) =>
      Promise.resolve({ revocations: since === null ? [...kept] : [], asOf: Date.now(), more: false }),
  };
}

const one = () => 1;
const none = () => 0;
