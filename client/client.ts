import type { ClosingReason } from '../protocol/closings.ts';
import type { CommandPayload, HandshakeAuth, CommandResult } from '../protocol/commands.ts';
import { TandemError } from '../protocol/errors.ts';
import type { Events } from '../protocol/events.ts';
import { abortable } from './abortable.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { Connection, resultOf } from './connection.ts';
import { Emitter } from './emitter.ts';
import { Cipher, isMarkedEncrypted } from './encryption.ts';
import { decodeHandover, parseTarget } from './link.ts';
import type { Handover } from './link.ts';
import { openSeat } from './opening.ts';
import { originOf } from './origin.ts';
import { randomId } from './random-id.ts';
import { SeatStore } from './seat-store.ts';
import type { StoredState } from './seat-store.ts';
import { TandemSession } from './session.ts';
import { openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';
import type * as api from './types.ts';
import { watchForWaking } from './wake.ts';
import { parseEvent } from './wire.ts';

/** What tests put in place of the system's own. */
export interface ClientParts {
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly openSocket?: OpenSocket;
}

/** A seat that is asked for on a new connection, without its session being known. */
interface Candidate {
  readonly seat: Handover;
  readonly resolve: (event: Events['session:resumed']) => void;
}

/** How long the first event of a resume may take before the connection counts as stuck. */
const RESUME_PATIENCE_MS = 10_000;

/**
 * A device's way into sessions: one connection that stays up for as long as it is needed, and one seat at a time.
 *
 * `B` is the application's map from types of messages to their bodies, `S` that of its signals.
 */
export class TandemClient<B extends api.Bodies = api.AnyBodies, S extends api.Bodies = api.AnySignals> {
  readonly #options: api.ClientOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #link: Connection;
  readonly #base: string;
  readonly #store: SeatStore;
  readonly #emitter = new Emitter<api.ClientEvents>();
  readonly #waiting = new Set<() => void>();
  #current: TandemSession<B, S> | null = null;
  #candidate: Candidate | null = null;
  /** Openings that are under way, one that was given up and is being tidied away included. */
  #opening: Promise<unknown> = Promise.resolve();
  /** Ends the one that somebody waits for. */
  #giveUp: AbortController | null = null;
  #stopResumeTimer: () => void = () => undefined;
  #stopWatching: (() => void) | null = null;

  constructor(options: api.ClientOptions = {}, parts: ClientParts = {}) {
    const url = originOf(options.url);
    this.#options = options;
    this.#clock = parts.clock ?? systemClock;
    this.#random = parts.random ?? Math.random;
    this.#base = url;
    const storage = options.storage === undefined ? ownStorage() : options.storage;
    this.#store = new SeatStore(storage, options.storageKey ?? 'tandem');
    const clock = this.#clock;
    const random = this.#random;
    this.#link = new Connection(
      { url, token: options.token, openSocket: parts.openSocket ?? openSocket, clock, random },
      {
        resume: () => this.#resume(),
        opened: () => this.#onOpened(),
        lost: () => this.#onLost(),
        refused: (error) => this.#onRefused(error),
        ended: (reason) => this.#onEnded(reason),
        event: (name, payload) => this.#onEvent(name, payload),
        changed: (state) => this.#onChanged(state),
      },
    );
  }

  /** The seat of the moment, ended ones included; null before the first. */
  get session(): TandemSession<B, S> | null {
    return this.#current;
  }

  get connection(): api.ConnectionState {
    return this.#link.state;
  }

  /** Adds a listener; the returned function removes it. */
  on<E extends keyof api.ClientEvents>(event: E, listener: (payload: api.ClientEvents[E]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  /**
   * Opens a session and takes its first seat. What has no settled outcome is repeated under one key, so that it never
   * takes two.
   *
   * @throws TandemError for what is final; `RATE_LIMITED` too, because when to try again is the user's to decide
   */
  async create(options: api.CreateOptions = {}): Promise<TandemSession<B, S>> {
    const { signal, onRepeat, encrypt = false, metadata, ...rest } = options;
    const cipher = encrypt ? await Cipher.create() : null;
    const marked = cipher === null ? metadata : { ...metadata, e2e: cipher.mark };
    const payload = { ...rest, ...(marked === undefined ? {} : { metadata: marked }), key: randomId(32) };
    return await this.#open('session:create', payload, cipher, { signal, onRepeat });
  }

  /**
   * Joins a session. `target` is a code as people type it, a pairing link, or what follows its `#`.
   *
   * @throws TandemError as `create`; `FORBIDDEN` when the session is encrypted and the key is missing or another, and
   *   when it is not encrypted although the link has a key
   */
  async join(target: string, options: api.JoinOptions = {}): Promise<TandemSession<B, S>> {
    const { name } = options;
    const parsed = parseTarget(target);
    if (parsed.kind !== 'code') throw new TandemError('INVALID_PAYLOAD', 'This is no code and no pairing link.');
    const secret = options.secret ?? parsed.secret;
    const cipher = secret === null ? null : await Cipher.from(secret);
    const payload = { code: parsed.code, ...(name === undefined ? {} : { name }), key: randomId(32) };
    return await this.#open('session:join', payload, cipher, options);
  }

  /**
   * The seat that storage holds, such as after a reload: at once, while the connection is made. Null when there is none.
   * `message` events go on after the last one that was handed out. After `close()` the seat of this client goes on.
   */
  restore(): TandemSession<B, S> | null {
    if (this.#giveUp !== null) return null;
    if (this.#current === null) {
      const state = this.#store.load();
      if (state === null) return null;
      this.#take(state);
      // A connection asks for a seat in its handshake alone.
      this.#link.stop();
    }
    if (this.#seated !== null) this.#start();
    return this.#current;
  }

  /**
   * Takes a seat over from another device, which loses it: `handover` is what `handOver()` gave there, or a link with it.
   *
   * @throws TandemError `RESUME_REJECTED` when the seat is not to be had any more
   */
  async takeOver(handover: string, { signal }: api.RequestOptions = {}): Promise<TandemSession<B, S>> {
    const parsed = parseTarget(handover);
    const seat = parsed.kind === 'handover' ? decodeHandover(parsed.handover) : null;
    if (seat === null) throw new TandemError('INVALID_PAYLOAD', 'This is no hand-over, or a damaged one.');
    const cipher = seat.secret === null ? null : await Cipher.from(seat.secret);
    return await this.#whileWanted(signal, async (giveUp) => {
      const resumed = new Promise<Events['session:resumed']>((resolve) => {
        this.#candidate = { seat, resolve };
      });
      this.#link.stop();
      this.#start();
      try {
        const event = await abortable(resumed, giveUp);
        const { session } = event;
        checkCipher(session.metadata, cipher);
        const position = { epoch: session.epoch, lastSeq: 0, lastId: null, durableSeq: 0 };
        const taken = this.#take({ seat: { ...seat, info: session }, position, messages: [] });
        taken.onEvent('session:resumed', { ...event, reset: false });
        return taken;
      } catch (error) {
        this.close();
        throw error;
      } finally {
        this.#candidate = null;
      }
    });
  }

  /**
   * The open connection goes on under this token of the same user, so that it does not end when the one that it was opened
   * with does. Tokens of the server's own accounts need none of this: they last as long as their login.
   *
   * @throws TandemError `UNAUTHENTICATED` or `FORBIDDEN` when the server does not take it, `UNAVAILABLE` without a connection
   */
  async refreshToken(token: string, { signal }: api.RequestOptions = {}): Promise<void> {
    resultOf(await abortable(this.#link.request('auth:refresh', { token }), signal));
  }

  /**
   * Ends the connection, and an opening that is under way. The seat is kept, in storage too, until its grace is over:
   * `restore()` or `resumeHere()` go on.
   */
  close(): void {
    this.#giveUp?.abort(new TandemError('UNAVAILABLE', 'The client was closed.'));
    this.#current?.suspend();
    this.#stopResumeTimer();
    this.#link.stop();
  }

  /** One opening at a time; whatever it waits for ends when the signal, or what happens meanwhile, says so. */
  async #whileWanted<T>(signal: AbortSignal | undefined, open: (giveUp: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    this.#makeRoom();
    const giveUp = new AbortController();
    const abort = (): void => giveUp.abort(signal?.reason);
    this.#giveUp = giveUp;
    signal?.addEventListener('abort', abort);
    try {
      return await open(giveUp.signal);
    } finally {
      this.#giveUp = null;
      signal?.removeEventListener('abort', abort);
    }
  }

  async #open<C extends 'session:create' | 'session:join'>(
    command: C,
    payload: CommandPayload<C>,
    cipher: Cipher | null,
    { signal, onRepeat }: { signal?: AbortSignal | undefined; onRepeat?: api.JoinOptions['onRepeat'] | undefined },
  ): Promise<TandemSession<B, S>> {
    return await this.#whileWanted(signal, async (giveUp) => {
      const asked = this.#opening.then(() => {
        if (!giveUp.aborted) this.#start();
        return openSeat(command, payload, {
          connection: this.#link,
          clock: this.#clock,
          random: this.#random,
          whenOnline: () => this.#whenOnline(giveUp),
          giveUp,
          onRepeat,
        });
      });
      this.#opening = asked.catch(() => undefined);
      return await this.#sitDown(await abortable(asked, giveUp), cipher);
    });
  }

  async #sitDown(
    { session, self }: CommandResult<'session:create'>,
    cipher: Cipher | null,
  ): Promise<TandemSession<B, S>> {
    try {
      checkCipher(session.metadata, cipher);
    } catch (error) {
      await this.#link.leave();
      throw error;
    }
    const { participantId, resumeToken } = self;
    const me = session.participants.find(({ id }) => id === participantId);
    const lastSeq = session.shareHistory ? 0 : (me?.joinedSeq ?? session.lastSeq);
    const seat = { sessionId: session.id, participantId, resumeToken, secret: cipher?.secret ?? null, info: session };
    const position = { epoch: session.epoch, lastSeq, lastId: null, durableSeq: Math.min(lastSeq, session.durableSeq) };
    const taken = this.#take({ seat, position, messages: [] });
    taken.onOpened();
    return taken;
  }

  #take(state: StoredState): TandemSession<B, S> {
    const connection = this.#link;
    const start = (): void => this.#start();
    const ended = ({ reason }: api.SeatEnd): void => {
      // Nobody needs a connection for a seat that has ended, and one for nothing counts against the address's allowance.
      // A handshake that is under way would even take the seat again.
      if (reason !== 'abandoned' && (reason !== 'left' || !connection.isOnline)) this.close();
    };
    const parts = {
      connection,
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      bounds: this.#options.queue,
      base: this.#base,
      start,
      ended,
    };
    this.#current = new TandemSession<B, S>(parts, state);
    return this.#current;
  }

  /** Leaves a closed or ended session behind. */
  #makeRoom(): void {
    const current = this.#current;
    if (this.#giveUp !== null || (current !== null && current.ended === null && !current.isClosed)) {
      throw new TandemError('ALREADY_IN_SESSION', 'This client has a seat: leave it first.');
    }
    current?.finish({ reason: 'abandoned', canResume: false, error: null });
    this.#current = null;
  }

  #start(): void {
    this.#stopWatching ??= watchForWaking(this.#clock, () => this.#link.wake());
    this.#link.start();
  }

  #whenOnline(giveUp: AbortSignal): Promise<void> {
    const online = new Promise<void>((resolve) => {
      if (this.#link.isOnline) resolve();
      else this.#waiting.add(resolve);
    });
    return abortable(online, giveUp);
  }

  get #seated(): TandemSession<B, S> | null {
    return this.#current?.ended === null ? this.#current : null;
  }

  #resume(): HandshakeAuth['resume'] {
    const candidate = this.#candidate;
    if (candidate === null) return this.#seated?.resume();
    const { sessionId, participantId, resumeToken } = candidate.seat;
    return { sessionId, participantId, resumeToken, epoch: 1, lastSeq: 0, durableSeq: 0 };
  }

  #onOpened(): void {
    if (this.#candidate !== null || this.#seated !== null) {
      this.#stopResumeTimer();
      this.#stopResumeTimer = this.#clock.after(RESUME_PATIENCE_MS, () => this.#link.restart());
    }
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #onLost(): void {
    this.#stopResumeTimer();
    this.#current?.onLost();
    // Nobody needs a connection without a seat, and each new one counts against the address's allowance.
    if (this.#seated === null && this.#giveUp === null) this.close();
  }

  #onRefused(error: TandemError): void {
    this.#giveUp?.abort(error);
    const isSignedOut = error.code === 'UNAUTHENTICATED';
    const reason = isSignedOut ? 'unauthenticated' : 'rejected';
    this.#seated?.finish({ reason, canResume: isSignedOut, error });
  }

  #onEnded(reason: ClosingReason): void {
    this.#giveUp?.abort(new TandemError('UNAVAILABLE', `The server ended the connection: ${reason}.`));
    // A newer server's word too: a seat without a connection that nobody hears of would wait for ever.
    this.#seated?.finish({ reason: reason as api.EndReason, canResume: reason !== 'kicked', error: null });
  }

  #onEvent(name: string, payload: unknown): void {
    if (name === 'session:resumed') {
      const event = parseEvent(name, payload);
      if (event === null) return;
      this.#stopResumeTimer();
      this.#candidate?.resolve(event);
    }
    this.#seated?.onEvent(name, payload);
  }

  #onChanged(state: api.ConnectionState): void {
    if (state.kind === 'closed') {
      this.#stopWatching?.();
      this.#stopWatching = null;
    }
    this.#emitter.emit('connection', state);
  }
}

/** An encrypted session is never entered without its key, and a key never used where the other side does not encrypt. */
function checkCipher(metadata: Parameters<typeof isMarkedEncrypted>[0], cipher: Cipher | null): void {
  const isEncrypted = isMarkedEncrypted(metadata);
  if (cipher === null ? !isEncrypted : cipher.fits(metadata)) return;
  const text = !isEncrypted
    ? 'The link has a key, but the session is not encrypted: ask for a new link.'
    : cipher === null
      ? 'The session is end-to-end encrypted: join by its link or QR code, which has the key.'
      : 'The key does not fit the session: ask for a new link.';
  throw new TandemError('FORBIDDEN', text);
}

/** Of a page: what survives its reload and ends with its tab. Reading the property alone throws where it is forbidden. */
function ownStorage(): api.SeatStorage | null {
  try {
    return (globalThis as { sessionStorage?: api.SeatStorage }).sessionStorage ?? null;
  } catch {
    // Forbidden: every use of this fails, and so the application is told.
    return {} as api.SeatStorage;
  }
}
