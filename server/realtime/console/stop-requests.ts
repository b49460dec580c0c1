import { randomUUID } from 'node:crypto';
import { TandemError } from '../../../protocol/errors.ts';
import { invalid } from '../../sessions/refusals.ts';
import type { TandemServer } from '../connection.ts';

/** How long another instance may take to say that it stops. */
const ANSWER_MS = 3000;

export interface StopRequestsOptions {
  readonly io: TandemServer;
  readonly instanceId: string;
  /** Whether other instances share the adapter. */
  readonly isShared: boolean;
  /** The ids of those that report. */
  readonly reporting: () => Promise<readonly string[]>;
  /** Begins the stop of this instance. */
  readonly onStop: () => void;
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
    const { io, instanceId, onStop } = options;
    io.on('instance:stop', (asked, requestId) => {
      if (asked !== instanceId) return;
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
    const requestId = randomUUID();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve) => {
        timer = setTimeout(() => resolve(false), ANSWER_MS);
        this.#waiting.set(requestId, () => resolve(true));
        this.#options.io.serverSideEmit('instance:stop', asked, requestId);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(requestId);
    }
  }
}
