import { canEncrypt, TandemError } from '../client/index.ts';
import type { ConnectionState, EndReason, TandemClient, TandemSession } from '../client/index.ts';
import { Knocks } from './knocks.ts';
import type { WaitingKnock } from './knocks.ts';

/** What somebody wants on the start page. */
export type Wish =
  | { kind: 'create'; name: string; encrypt: boolean; approval: boolean }
  | { kind: 'join'; name: string; code: string; secret: string | null }
  | { kind: 'take_over'; handover: string };

/** Why the start page is shown again. */
export type Notice =
  /** `retryAt` is milliseconds since 1970 on this device's clock. */
  | { kind: 'refused'; error: TandemError; retryAt: number | null }
  /** The session is encrypted, and this page cannot decrypt, has no key, or has one that does not fit. */
  | { kind: 'no_encryption' | 'no_key' | 'wrong_key' }
  /** The host neither let this one in nor refused. */
  | { kind: 'no_answer' }
  | { kind: 'ended'; reason: EndReason; unsent: number }
  | { kind: 'left_unconfirmed' };

export type Phase =
  | { kind: 'start'; notice: Notice | null }
  /** A link that hands a seat over was opened: it is taken only when the user says so. */
  | { kind: 'asking'; handover: string }
  /**
   * `error`: what the server answered last, null when it did not answer, while the wish is repeated on one connection.
   * `askedAt`: since when it may have been asked, in milliseconds of the monotonic clock.
   */
  | { kind: 'opening'; wish: Wish; isRepeated: boolean; error: TandemError | null; askedAt: number }
  | { kind: 'seated'; session: TandemSession };

type Client = Pick<TandemClient, 'create' | 'join' | 'takeOver' | 'restore' | 'close' | 'connection' | 'on'>;

/** Whom the host has not answered by then is refused. */
const HOST_PATIENCE_MS = 60_000;

/** Which seat this page has, how it gets one and how it loses it. */
export class PageSeat {
  phase: Phase = { kind: 'start', notice: null };
  /** Why the last button had no effect. */
  commandFault: TandemError | null = null;

  /** What was asked for last. */
  private wish: Wish | null = null;
  private readonly knocks = new Knocks();
  private readonly client: Client;
  private readonly changed: () => void;
  private readonly unstored: () => void;
  private readonly now: () => number;
  private isOnline = false;
  private onlineSince = 0;
  private opening: AbortController | null = null;
  private listeners: (() => void)[] = [];
  /** Messages that failed since the last pause: all at once when a seat ends. */
  private failedAtOnce = 0;

  /** `now` gives milliseconds of a monotonic clock. */
  constructor(client: Client, events: { changed: () => void; unstored: () => void }, now = () => performance.now()) {
    this.client = client;
    this.changed = events.changed;
    this.unstored = events.unstored;
    this.now = now;
    client.on('connection', ({ kind }) => this.onConnection(kind === 'online' || kind === 'draining'));
  }

  get connection(): ConnectionState {
    return this.client.connection;
  }

  get session(): TandemSession | null {
    return this.phase.kind === 'seated' ? this.phase.session : null;
  }

  /** Who waits to be let in here, oldest first. To be asked every second: nobody tells when somebody has gone. */
  get waiting(): readonly WaitingKnock[] {
    const { session } = this;
    if (session === null || !session.isHost || session.isClosed || session.ended !== null) return [];
    this.knocks.forgetGone(this.now(), this.onlineSince);
    return this.knocks.list;
  }

  /** Takes up the seat that this tab had before it was reloaded. */
  restore(): void {
    const session = this.client.restore();
    if (session !== null) this.sitDown(session);
  }

  async open(wish: Wish): Promise<void> {
    if (wish.kind === 'join' && wish.secret !== null && !canEncrypt()) {
      this.toStart({ kind: 'no_encryption' });
      return;
    }
    const giveUp = new AbortController();
    this.wish = wish;
    this.opening = giveUp;
    this.setPhase({ kind: 'opening', wish, isRepeated: false, error: null, askedAt: this.now() });
    try {
      const session = await this.take(wish, giveUp.signal);
      if (this.opening !== giveUp) return;
      this.opening = null;
      this.sitDown(session);
    } catch (error) {
      // Given up meanwhile: the page has moved on.
      if (this.opening !== giveUp) return;
      this.opening = null;
      this.toStart(refusal(wish, asTandemError(error), this.askedForMs));
    }
  }

  /** Once more what was refused. */
  async openAgain(): Promise<void> {
    if (this.wish !== null && this.phase.kind === 'start') await this.open(this.wish);
  }

  ask(handover: string): void {
    this.setPhase({ kind: 'asking', handover });
  }

  /** Back to the start while nothing is decided yet. */
  cancel(): void {
    this.toStart(null);
  }

  async leave(): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.stopListening();
    const isAway = session.isClosed || session.ended !== null;
    this.toStart(null);
    const { isConfirmed } = await session.leave();
    if (!isConfirmed && !isAway && this.phase.kind === 'start') this.toStart({ kind: 'left_unconfirmed' });
  }

  /** Runs what a button asks for; what comes of it is seen in the session, or is `commandFault`. */
  async command(run: (session: TandemSession) => Promise<void>): Promise<void> {
    const { session } = this;
    if (session === null) return;
    let fault: TandemError | null = null;
    try {
      await run(session);
    } catch (error) {
      fault = asTandemError(error);
    }
    if (this.session !== session) return;
    this.commandFault = fault;
    this.changed();
  }

  /** The host's answer to somebody who knocks. */
  async answerKnock(knockId: string, admit: boolean): Promise<void> {
    if (!this.knocks.begin(knockId)) return;
    this.changed();
    await this.command(async (session) => {
      let stillWaits = false;
      try {
        await session.admit(knockId, admit);
      } catch (cause) {
        const error = asTandemError(cause);
        stillWaits = error.retryable || error.code === 'SESSION_LOCKED';
        // Refused or gone is the same to whoever wanted it so.
        if (admit || error.code !== 'JOIN_DENIED') throw error;
      } finally {
        this.knocks.end(knockId, stillWaits);
      }
    });
  }

  /** For how long the server may have been asked for a seat, on the connection of the moment. */
  get askedForMs(): number {
    return this.phase.kind === 'opening' ? this.now() - this.phase.askedAt : 0;
  }

  private onConnection(isOnline: boolean): void {
    if (isOnline && !this.isOnline) {
      this.onlineSince = this.now();
      const { phase } = this;
      if (phase.kind === 'opening') {
        this.setPhase({ ...phase, isRepeated: false, error: null, askedAt: this.onlineSince });
      }
    }
    this.isOnline = isOnline;
    this.changed();
  }

  private take(wish: Wish, signal: AbortSignal): Promise<TandemSession> {
    const onRepeat = (error: TandemError | null): void => {
      if (!signal.aborted) this.setPhase({ kind: 'opening', wish, isRepeated: true, error, askedAt: this.now() });
    };
    if (wish.kind === 'take_over') return this.client.takeOver(wish.handover, { signal });
    const name = wish.name === '' ? {} : { name: wish.name };
    if (wish.kind === 'create') {
      const { encrypt, approval } = wish;
      return this.client.create({ ...name, encrypt, approval, signal, onRepeat });
    }
    const secret = wish.secret === null ? {} : { secret: wish.secret };
    return this.client.join(wish.code, { ...name, ...secret, signal, onRepeat });
  }

  private sitDown(session: TandemSession): void {
    const { changed } = this;
    this.stopListening();
    this.knocks.clear();
    this.listeners = [
      session.on('changed', changed),
      session.on('idle', changed),
      session.on('closed', changed),
      session.on('queue', changed),
      session.on('unstored', () => this.unstored()),
      session.on('knock', (knock) => {
        this.knocks.tell(knock, this.now());
        this.changed();
      }),
      session.on('failed', () => this.countFailed()),
      session.on('ended', ({ reason, canResume }) => {
        if (!canResume) this.toStart({ kind: 'ended', reason, unsent: this.failedAtOnce });
        else this.changed();
      }),
    ];
    this.setPhase({ kind: 'seated', session });
  }

  private countFailed(): void {
    if (this.failedAtOnce === 0) queueMicrotask(() => (this.failedAtOnce = 0));
    this.failedAtOnce += 1;
  }

  private stopListening(): void {
    for (const off of this.listeners.splice(0)) off();
  }

  private toStart(notice: Notice | null): void {
    this.opening?.abort();
    this.opening = null;
    this.stopListening();
    this.setPhase({ kind: 'start', notice });
  }

  private setPhase(phase: Phase): void {
    this.phase = phase;
    this.commandFault = null;
    this.changed();
  }
}

function refusal(wish: Wish, error: TandemError, askedForMs: number): Notice {
  if (wish.kind === 'join' && isAboutKey(error)) return { kind: wish.secret === null ? 'no_key' : 'wrong_key' };
  if (error.code === 'JOIN_DENIED' && askedForMs >= HOST_PATIENCE_MS) return { kind: 'no_answer' };
  return { kind: 'refused', error, retryAt: error.retryAfterMs === undefined ? null : Date.now() + error.retryAfterMs };
}

/** The library's own refusal: a server tells the faults of a payload, and forbids nobody to join who is not signed in. */
function isAboutKey({ code, issues }: TandemError): boolean {
  return code === 'FORBIDDEN' || (code === 'INVALID_PAYLOAD' && issues === undefined);
}

/** The library rejects with nothing else; what is something else is a fault of this page, and must not stay silent. */
function asTandemError(error: unknown): TandemError {
  return error instanceof TandemError ? error : new TandemError('INTERNAL', undefined, { cause: error });
}
