import type { HandshakeAuth } from '../protocol/commands.ts';
import type { WireError } from '../protocol/errors.ts';
import type { Events } from '../protocol/events.ts';
import type { Outcome } from './connection.ts';
import { Connection } from './connection.ts';
import { JoinedSession } from './joined-session.ts';
import type { OpenedSeat, OpeningWish } from './opening.ts';
import { openSeat } from './opening.ts';
import type { SeatStore, StoredSeat } from './seat.ts';

/** Why the start page is shown again. `retryAt` is milliseconds since 1970 on this device's clock. */
export type Notice =
  | { kind: 'refused'; error: WireError; retryAt: number | null }
  | { kind: 'seat_lost'; unsent: number }
  | { kind: 'removed'; unsent: number }
  | { kind: 'left_unconfirmed' };

export type Phase =
  | { kind: 'start'; notice: Notice | null }
  /** `error`: what the server answered last, null when it did not answer, while the wish is repeated. */
  | { kind: 'opening'; wish: OpeningWish; isRepeated: boolean; error: WireError | null }
  /** The page was reloaded and asks for its seat. */
  | { kind: 'returning' }
  | { kind: 'seated'; joined: JoinedSession };

/** How long the first event of a resume may take before the connection counts as stuck. */
const RESUME_PATIENCE_MS = 10_000;

/** Which seat this page has, how it gets one and how it loses it. */
export class SessionClient {
  readonly connection: Connection;
  phase: Phase = { kind: 'start', notice: null };
  /** Why the last button had no effect; `lost` when the server did not answer. */
  commandFailure: WireError | 'lost' | null = null;

  private readonly store: SeatStore;
  private readonly changed: () => void;
  private joined: JoinedSession | null = null;
  private opening: AbortController | null = null;
  private resumeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: SeatStore, changed: () => void) {
    this.store = store;
    this.changed = changed;
    this.connection = new Connection({
      auth: () => this.handshake(),
      connected: () => this.onConnected(),
      lost: () => this.onLost(),
      refused: (error) => this.onRefused(error),
      linkChanged: () => this.onLinkChanged(),
    });
    this.listen();
  }

  /** Takes up the seat that this tab had before it was reloaded; false when it had none. */
  returnToSeat(): boolean {
    const seat = this.store.load();
    if (seat === null) return false;
    this.join(seat);
    this.setPhase({ kind: 'returning' });
    this.connection.start();
    return true;
  }

  async open(wish: OpeningWish): Promise<void> {
    const giveUp = new AbortController();
    this.opening = giveUp;
    this.setPhase({ kind: 'opening', wish, isRepeated: false, error: null });
    this.connection.start();
    const onRepeat = (error: WireError | null): void =>
      this.setPhase({ kind: 'opening', wish, isRepeated: true, error });
    const opened = await openSeat(wish, this.connection, giveUp.signal, onRepeat);
    // Given up or refused meanwhile: the page has moved on.
    if (this.opening !== giveUp) return;
    this.opening = null;
    if (opened.kind === 'opened') this.sitDown(opened.seat);
    else this.toStart(opened.kind === 'refused' ? refusal(opened.error) : null);
  }

  /** Back to the start while the server has not answered yet. */
  cancel(): void {
    // A seat that was taken without this page's knowing is given up with the connection.
    this.connection.stop();
    this.toStart(null);
  }

  async leave(): Promise<void> {
    const outcome = await this.connection.request('session:leave', {});
    if (outcome.kind === 'ok' || (outcome.kind === 'refused' && !outcome.error.retryable)) {
      this.toStart(null);
      return;
    }
    // Whether the server knows is unknown; without a connection it gives the seat up when its grace is over.
    this.connection.stop();
    this.toStart({ kind: 'left_unconfirmed' });
  }

  async end(): Promise<void> {
    const { joined } = this;
    const result = this.resultOf(await this.connection.request('session:close', {}));
    const id = joined?.session?.id;
    if (result !== null && id !== undefined) joined?.onClosed(id, 'closed');
  }

  async reopen(): Promise<void> {
    const { joined } = this;
    const result = this.resultOf(await this.connection.request('session:reopen', {}));
    if (result !== null) joined?.onSession(result.session);
  }

  /** Somebody is here: the session is not idle. */
  async keepOpen(): Promise<void> {
    const { joined } = this;
    const result = this.resultOf(await this.connection.request('activity:report', { state: 'active' }));
    if (result !== null) joined?.onActivity();
  }

  /** Takes the seat back from the tab that resumed it. */
  continueHere(): void {
    this.connection.start();
  }

  /** Away from a session that has ended, or that goes on elsewhere. */
  backToStart(): void {
    this.toStart(null);
  }

  private listen(): void {
    const { connection } = this;
    connection.on('session:resumed', (event) => this.onResumed(event));
    connection.on('session:paired', ({ session }) => this.joined?.onSession(session));
    connection.on('session:updated', ({ session }) => this.joined?.onSession(session));
    connection.on('session:joined', (event) => this.joined?.onJoined(event));
    connection.on('session:left', (event) => this.joined?.onLeft(event));
    connection.on('session:presence', (event) => this.joined?.onPresence(event));
    connection.on('session:activity', ({ state }) => {
      if (state === 'active') this.joined?.onActivity();
    });
    connection.on('session:idle', (event) => this.joined?.onIdle(event));
    connection.on('session:closed', ({ sessionId, reason }) => this.joined?.onClosed(sessionId, reason));
    connection.on('session:head', (head) => this.joined?.delivery.headSeen(head));
    connection.on('message:new', (message) => this.joined?.onMessage(message));
  }

  private handshake(): HandshakeAuth {
    return this.joined === null ? {} : { resume: this.joined.resume() };
  }

  private onConnected(): void {
    if (this.joined !== null) this.resumeTimer = setTimeout(() => this.connection.restart(), RESUME_PATIENCE_MS);
  }

  private onResumed(event: Events['session:resumed']): void {
    const { joined } = this;
    if (joined === null) return;
    clearTimeout(this.resumeTimer);
    this.phase = { kind: 'seated', joined };
    joined.onResumed(event);
    this.changed();
  }

  private onLost(): void {
    clearTimeout(this.resumeTimer);
    this.joined?.delivery.interrupted();
    // Nobody needs a connection on the start page, and each new one counts against the network's allowance.
    if (this.joined === null && this.opening === null) this.connection.stop();
  }

  private onRefused(error: WireError): void {
    if (this.joined === null) this.toStart(refusal(error));
    else this.toStart({ kind: 'seat_lost', unsent: this.joined.delivery.outbox.entries.length });
  }

  private onLinkChanged(): void {
    const { link } = this.connection;
    // Kicked or revoked. A seat that goes on in another tab stays in sight here, and can be taken back.
    if (link.kind === 'ended' && link.reason !== 'replaced') {
      this.toStart({ kind: 'removed', unsent: this.joined?.delivery.outbox.entries.length ?? 0 });
    }
    this.changed();
  }

  private sitDown({ session, self }: OpenedSeat): void {
    const { participantId, resumeToken } = self;
    const joined = this.join({ sessionId: session.id, participantId, resumeToken, epoch: session.epoch, unsent: [] });
    this.phase = { kind: 'seated', joined };
    joined.onOpened(session);
    this.changed();
  }

  private join(seat: StoredSeat): JoinedSession {
    const joined = new JoinedSession(seat, this.connection, () => {
      // What happens after the seat was given up must not bring it back.
      if (this.joined !== joined) return;
      this.store.save(joined.stored());
      this.changed();
    });
    this.joined = joined;
    this.commandFailure = null;
    return joined;
  }

  private toStart(notice: Notice | null): void {
    this.opening?.abort();
    this.opening = null;
    clearTimeout(this.resumeTimer);
    this.joined?.delivery.interrupted();
    this.joined = null;
    this.store.forget();
    // So that the end of a seat is not shown on a page that has none.
    if (this.connection.link.kind === 'ended') this.connection.stop();
    this.setPhase({ kind: 'start', notice });
  }

  private resultOf<C extends 'session:close' | 'session:reopen' | 'activity:report'>(
    outcome: Outcome<C>,
  ): (Outcome<C> & { kind: 'ok' })['result'] | null {
    this.commandFailure = outcome.kind === 'ok' ? null : outcome.kind === 'refused' ? outcome.error : 'lost';
    this.changed();
    return outcome.kind === 'ok' ? outcome.result : null;
  }

  private setPhase(phase: Phase): void {
    this.phase = phase;
    this.commandFailure = null;
    this.changed();
  }
}

function refusal(error: WireError): Notice {
  return { kind: 'refused', error, retryAt: error.retryAfterMs === undefined ? null : Date.now() + error.retryAfterMs };
}
