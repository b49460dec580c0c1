import { randomUUID } from 'node:crypto';
import { TandemError } from '../../../protocol/errors.ts';
import { invalid } from '../../sessions/refusals.ts';
import type { TandemServer } from '../connection.ts';

/** How long another instance may take to say that it stops. */
const ANSWER_MS = 3000;
/** An older request is passed over: the answer would come too late. */
const FRESH_MS = 2500;

export interface StopRequestsOptions {
  readonly io: TandemServer;
  readonly instanceId: string;
  /** Whether other instances share the adapter. */
  readonly isShared: boolean;
  /** The ids of those that report. */
  readonly reporting: () => Promise<readonly string[]>;
  /** Begins the stop of this instance. */
  readonly onStop: () => void;
  /** Unix milliseconds of the deployment. */
  readonly now: () => number;
}

/**
 * How an operator at one instance stops another. Through the adapter, as all that instances tell each other; its own
 * requests with answers wait for every instance, also for one that is frozen, and are not used.
 */
export class StopRequests {
  readonly #options: StopRequestsOptions;
  readonly #waiting = new Map<string, () => void>();

  constructor(options: StopRequestsOptions) {
    this.#options = options;
    const { io, instanceId, onStop, now } = options;
    io.on('instance:stop', (asked, requestId, notAfter) => {
      if (asked !== instanceId) return;
      // Frozen or cut off meanwhile: the operator was told that nothing came of it, and may have thought better of it.
      if (!(now() <= notAfter)) return;
      io.serverSideEmit('instance:stopping', requestId);
      onStop();
    });
    io.on('instance:stopping', (requestId) => this.#waiting.get(requestId)?.());
  }

  /** Resolves when that instance has said that it stops. Throws `INVALID_PAYLOAD`, `UNAVAILABLE`. */
  async ask(asked: string): Promise<void> {
    const { instanceId, isShared, reporting, onStop } = this.#options;
    if (asked === instanceId) {
      // Who asked is answered first.
      setImmediate(onStop);
      return;
    }
    const ids = await reporting();
    if (!isShared || !ids.includes(asked)) {
      throw invalid('instanceId', `expected an instance that reports, which are: ${ids.join(', ')}`);
    }
    if (await this.#answered(asked)) return;
    const text = `${asked} did not answer within ${ANSWER_MS / 1000} s: it is frozen, cut off or dead. End its process.`;
    throw new TandemError('UNAVAILABLE', text, { retryAfterMs: 1000 });
  }

  async #answered(asked: string): Promise<boolean> {
    const { io, now } = this.#options;
    const requestId = randomUUID();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve) => {
        timer = setTimeout(() => resolve(false), ANSWER_MS);
        this.#waiting.set(requestId, () => resolve(true));
        io.serverSideEmit('instance:stop', asked, requestId, now() + FRESH_MS);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(requestId);
    }
  }
}
