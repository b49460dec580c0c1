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
  async tryFresh<T>(use: (code: SessionCode) => Promise<T | null>): Promise<T> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const result = await use(await this.#fresh());
      if (result !== null) return result;
    }
    throw new TandemError('INTERNAL', `${TRIES} fresh pairing codes in turn were taken: repeat.`);
  }

  async #fresh(): Promise<SessionCode> {
    const { state, minLength, ttlMs, now } = this.#options;
    return { value: newCode(codeLength(minLength, await state.countLiveCodes())), expiresAt: now() + ttlMs };
  }
}
