import { TandemError } from '../../protocol/errors.ts';
import { codeLength, newCode } from './pairing-code.ts';
import type { SessionState } from './ports.ts';
import type { SessionCode } from './session.ts';

export interface CodeSourceOptions {
  state: Pick<SessionState, 'countLiveCodes'>;
  minLength: number;
  ttlMs: number;
  now: () => number;
}

/** Codes are sparse (1 in 100,000), so one try is nearly always enough; this many misses mean that something is wrong. */
const TRIES = 20;

/** Fresh pairing codes. */
export class CodeSource {
  readonly #options: CodeSourceOptions;

  constructor(options: CodeSourceOptions) {
    this.#options = options;
  }

  /** Calls `use` with fresh codes until it takes one (anything but null). Throws `INTERNAL` when it never does. */
  async tryFresh<T>(use: (code: SessionCode, issuedAt: number) => Promise<T | null>): Promise<T> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const { code, issuedAt } = await this.#fresh();
      const result = await use(code, issuedAt);
      if (result !== null) return result;
    }
    throw new TandemError('INTERNAL', `${TRIES} fresh pairing codes in turn were taken: repeat.`);
  }

  async #fresh(): Promise<{ code: SessionCode; issuedAt: number }> {
    const { state, minLength, ttlMs, now } = this.#options;
    const value = newCode(codeLength(minLength, await state.countLiveCodes()));
    const issuedAt = now();
    return { code: { value, expiresAt: issuedAt + ttlMs }, issuedAt };
  }
}
