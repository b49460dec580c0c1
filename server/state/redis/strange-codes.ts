import type { DurableStore } from '../../sessions/ports.ts';

/** A code that the archive does not know is asked for again no sooner. */
const REMEMBERED_MS = 10_000;
const MAX_REMEMBERED = 10_000;

export interface StrangeCodesOptions {
  durable: Pick<DurableStore, 'findByCode'>;
  now: () => number;
}

/** Codes that Redis does not know, asked of the archive once: guesses must not become queries without end. */
export class StrangeCodes {
  readonly #options: StrangeCodesOptions;
  /** Until when each is known to lead nowhere; the oldest first. */
  readonly #nowhere = new Map<string, number>();

  constructor(options: StrangeCodesOptions) {
    this.#options = options;
  }

  /** The open session that the archive has under this code. Null as well when the archive can't be asked. */
  async find(code: string): Promise<string | null> {
    const { durable, now } = this.#options;
    if ((this.#nowhere.get(code) ?? 0) > now()) return null;
    const found = await durable.findByCode(code, now()).catch(() => null);
    if (found === null) this.#remember(code, now() + REMEMBERED_MS);
    return found;
  }

  #remember(code: string, until: number): void {
    this.#nowhere.delete(code);
    this.#nowhere.set(code, until);
    const [oldest] = this.#nowhere.keys();
    if (this.#nowhere.size > MAX_REMEMBERED && oldest !== undefined) this.#nowhere.delete(oldest);
  }
}
