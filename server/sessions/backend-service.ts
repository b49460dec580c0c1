import type { TandemError } from '../../protocol/errors.ts';
import type { JsonObject, Session } from '../../protocol/session.ts';
import type { Logger } from '../observability/logger.ts';
import type { Announcer } from './announcer.ts';
import type { CodeSource } from './code-source.ts';
import { fingerprintOf } from './fingerprint.ts';
import { sentOf, type SendInput, type Sent } from './message-service.ts';
import type { DurableStore, SessionState } from './ports.ts';
import { refused } from './refusals.ts';
import { closeByOperator, openSession, removeParticipant, SERVER } from './session.ts';

export interface BackendServiceOptions {
  state: Pick<SessionState, 'create' | 'change' | 'append'>;
  durable: Pick<DurableStore, 'loadSession'>;
  now: () => number;
  announcer: Announcer;
  codes: CodeSource;
  newId: () => string;
  logger: Logger;
  /** See SessionService. */
  writeThrough?: (sessionId: string) => Promise<void>;
}

export interface OpenInput {
  capacity: number;
  metadata: JsonObject;
  approval: boolean;
  shareHistory: boolean;
}

/** What a backend does to sessions, in which it holds no seat. */
export class BackendService {
  readonly #options: BackendServiceOptions;

  constructor(options: BackendServiceOptions) {
    this.#options = options;
  }

  /** A session for participants to come: the first of them is its host. */
  async open(input: OpenInput): Promise<Session> {
    const { state, announcer, codes, newId, logger } = this.#options;
    const session = await codes.tryFresh(async (code, issuedAt) => {
      const document = openSession({ id: newId(), now: issuedAt, ...input, code }, null);
      const result = await state.create(document, () => undefined);
      if (result.kind !== 'created') return null;
      logger.info('session_created', { sessionId: document.id });
      return announcer.view(result.snapshot);
    });
    await this.#options.writeThrough?.(session.id);
    return session;
  }

  /** Throws `SESSION_NOT_FOUND`; one that is closed already stays as it is. */
  async close(sessionId: string): Promise<void> {
    const { state, durable, announcer, now } = this.#options;
    const result = await state.change(sessionId, closeByOperator, (outcome, snapshot) => {
      if (outcome.kind === 'closed') announcer.closed(snapshot);
    });
    if (result.kind !== 'decided') {
      // Closed so long ago that the hot state has let go of it.
      const stored = await durable.loadSession(sessionId, now());
      if (stored === null || stored.document.closed === null) throw refused('no_such_session');
      return;
    }
    await this.#options.writeThrough?.(sessionId);
  }

  /**
   * As the server: no participant, and no limit of participants. Throws `SESSION_NOT_FOUND`, `SESSION_CLOSED`,
   * `ID_REUSED`, `UNAVAILABLE`.
   */
  async send(sessionId: string, input: SendInput): Promise<Sent> {
    const fingerprint = fingerprintOf(input.type, input.bodyJson);
    const request = { sessionId, sender: SERVER, ...input, fingerprint, limits: [] };
    const result = await this.#options.state.append(request);
    if (result.kind !== 'no_such_session') return sentOf(result);
    throw await this.#refusalOfUnknown(sessionId);
  }

  /** The host too: the earliest guest is host then. Throws `SESSION_NOT_FOUND` for the participant too, `SESSION_CLOSED`. */
  async kick(sessionId: string, participantId: string): Promise<void> {
    const { state, announcer } = this.#options;
    const result = await state.change(sessionId, removeParticipant(participantId), (outcome, snapshot) => {
      if (outcome.kind === 'kicked') announcer.removed(outcome, snapshot);
    });
    if (result.kind !== 'decided') throw await this.#refusalOfUnknown(sessionId);
    const { kind } = result.outcome;
    if (kind === 'session_closed') throw refused(kind);
    if (kind === 'no_such_participant') throw refused('no_such_session');
    await this.#options.writeThrough?.(sessionId);
  }

  /** The hot state lets go of a session some time after it has closed. */
  async #refusalOfUnknown(sessionId: string): Promise<TandemError> {
    const stored = await this.#options.durable.loadSession(sessionId, this.#options.now());
    return refused(stored === null || stored.document.closed === null ? 'no_such_session' : 'session_closed');
  }
}
