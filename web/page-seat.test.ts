import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../client/index.ts';
import type { ConnectionState, SessionEvents, TandemClient, TandemSession } from '../client/index.ts';
import { PageSeat } from './page-seat.ts';

type Listeners = { [E in keyof SessionEvents]?: (payload: SessionEvents[E]) => void };

/** A session that does what the test says. */
function fakeSession(isConfirmed = true): { session: TandemSession; listeners: Listeners } {
  const listeners: Listeners = {};
  const session: Partial<TandemSession> = {
    isClosed: false,
    isHost: true,
    ended: null,
    on: (event, listener) => {
      Object.assign(listeners, { [event]: listener });
      return () => Object.assign(listeners, { [event]: undefined });
    },
    leave: () => Promise.resolve({ isConfirmed }),
  };
  return { session: session as TandemSession, listeners };
}

type Answers = Partial<Pick<TandemClient, 'create' | 'join' | 'takeOver' | 'restore'>>;

interface Staged {
  readonly seat: PageSeat;
  readonly unstored: string[];
  /** The connection is lost, or is back. */
  readonly connect: (isOnline: boolean) => void;
  /** Time passes for the page. */
  readonly pass: (ms: number) => void;
}

function seatOf(answers: Answers): Staged {
  const unstored: string[] = [];
  let now = 1_000_000;
  let tell: (state: ConnectionState) => void = () => undefined;
  const never = () => new Promise<never>(() => undefined);
  const client = {
    create: never,
    join: never,
    takeOver: never,
    restore: () => null,
    close: () => undefined,
    on: (_event: 'connection', listener: typeof tell) => {
      tell = listener;
      return () => undefined;
    },
    connection: { kind: 'online' } as const,
    ...answers,
  };
  const events = { changed: () => undefined, unstored: () => void unstored.push('told') };
  return {
    seat: new PageSeat(client, events, () => now),
    unstored,
    connect: (isOnline) => tell(isOnline ? { kind: 'online' } : { kind: 'reconnecting', retryAt: null, cause: null }),
    pass: (ms) => (now += ms),
  };
}

const CREATE = { kind: 'create', name: 'Ada', encrypt: false, approval: false } as const;
const JOIN = { kind: 'join', name: '', code: 'BCD234', secret: null } as const;

describe('the seat of a page', () => {
  it('is taken, and the stored one again after a reload', async () => {
    const { session } = fakeSession();
    const { seat } = seatOf({ create: () => Promise.resolve(session) });
    await seat.open(CREATE);
    expect(seat.session).toBe(session);
    const restored = seatOf({ restore: () => session }).seat;
    restored.restore();
    expect(restored.session).toBe(session);
  });

  it('is refused in words, with the time of the next try', async () => {
    const error = new TandemError('RATE_LIMITED', 'wait', { retryAfterMs: 60_000 });
    const { seat } = seatOf({ join: () => Promise.reject(error) });
    const before = Date.now();
    await seat.open(JOIN);
    expect(seat.phase).toMatchObject({ kind: 'start', notice: { kind: 'refused', error } });
    const { notice } = seat.phase as { notice: { retryAt: number } };
    expect(notice.retryAt - before).toBeGreaterThanOrEqual(60_000);
  });

  it.each([
    [null, new TandemError('FORBIDDEN'), 'no_key'],
    [null, new TandemError('INVALID_PAYLOAD'), 'no_key'],
    ['k'.repeat(43), new TandemError('INVALID_PAYLOAD'), 'wrong_key'],
    [null, new TandemError('INVALID_PAYLOAD', 'name', { issues: [{ path: 'name', message: 'long' }] }), 'refused'],
    ['k'.repeat(43), new TandemError('SESSION_FULL'), 'refused'],
  ])('with the key %s, refused with %s, is %s', async (secret, error, kind) => {
    const { seat } = seatOf({ join: () => Promise.reject(error) });
    await seat.open({ ...JOIN, secret });
    expect(seat.phase).toMatchObject({ kind: 'start', notice: { kind } });
  });

  it('that comes after the user gave up is not shown', async () => {
    const { session } = fakeSession();
    let give: (session: TandemSession) => void = () => undefined;
    let signal: AbortSignal | undefined;
    const { seat } = seatOf({
      create: (options) => {
        signal = options?.signal;
        options?.onRepeat?.(null);
        return new Promise((resolve) => (give = resolve));
      },
    });
    const opened = seat.open(CREATE);
    expect(seat.phase).toMatchObject({ kind: 'opening', isRepeated: true, error: null });
    seat.cancel();
    expect(signal?.aborted).toBe(true);
    give(session);
    await opened;
    expect(seat.phase).toEqual({ kind: 'start', notice: null });
  });

  it('that is lost for good says why, and how much was not sent', () => {
    const { session, listeners } = fakeSession();
    const { seat } = seatOf({ restore: () => session });
    seat.restore();
    const error = new TandemError('RESUME_REJECTED');
    for (const id of ['message-1', 'message-2']) listeners.failed?.({ id, type: 'text', body: '', error });
    listeners.ended?.({ reason: 'rejected', canResume: false, error });
    expect(seat.phase).toEqual({ kind: 'start', notice: { kind: 'ended', reason: 'rejected', unsent: 2 } });
  });

  it('does not count a message that failed before among those', async () => {
    const { session, listeners } = fakeSession();
    const { seat } = seatOf({ restore: () => session });
    seat.restore();
    const error = new TandemError('INVALID_PAYLOAD');
    listeners.failed?.({ id: 'message-1', type: 'text', body: '', error });
    await Promise.resolve();
    listeners.ended?.({ reason: 'kicked', canResume: false, error: null });
    expect(seat.phase).toEqual({ kind: 'start', notice: { kind: 'ended', reason: 'kicked', unsent: 0 } });
  });

  it('that goes on elsewhere stays in sight', () => {
    const { session, listeners } = fakeSession();
    const { seat } = seatOf({ restore: () => session });
    seat.restore();
    listeners.ended?.({ reason: 'replaced', canResume: true, error: null });
    expect(seat.session).toBe(session);
  });

  it('that was left without the server knowing is told', async () => {
    const { session } = fakeSession(false);
    const { seat } = seatOf({ restore: () => session });
    seat.restore();
    await seat.leave();
    expect(seat.phase).toEqual({ kind: 'start', notice: { kind: 'left_unconfirmed' } });
  });

  it('tells once that storage is missing', () => {
    const { session, listeners } = fakeSession();
    const { seat, unstored } = seatOf({ restore: () => session });
    seat.restore();
    listeners.unstored?.(undefined);
    expect(unstored).toEqual(['told']);
  });

  it('keeps why a command had no effect until the next one', async () => {
    const { session } = fakeSession();
    const { seat } = seatOf({ restore: () => session });
    seat.restore();
    const error = new TandemError('UNAVAILABLE');
    await seat.command(() => Promise.reject(error));
    expect(seat.commandFault).toBe(error);
    await seat.command(() => Promise.resolve());
    expect(seat.commandFault).toBeNull();
  });
});

describe('a join that waits for the host', () => {
  function asking(): Staged & { deny: () => void; opened: Promise<void> } {
    let deny: () => void = () => undefined;
    const answer = new Promise<never>((_resolve, reject) => {
      deny = () => reject(new TandemError('JOIN_DENIED'));
    });
    const staged = seatOf({ join: () => answer });
    return { ...staged, deny, opened: staged.seat.open(JOIN) };
  }

  it.each([
    [59_999, 'refused'],
    [60_000, 'no_answer'],
  ])('and was denied after %d ms is %s', async (waitedMs, kind) => {
    const { seat, pass, deny, opened } = asking();
    pass(waitedMs);
    deny();
    await opened;
    expect(seat.phase).toMatchObject({ kind: 'start', notice: { kind } });
  });

  it('waits anew on another connection', async () => {
    const { seat, pass, connect, deny, opened } = asking();
    connect(true);
    pass(50_000);
    connect(false);
    connect(true);
    expect(seat.askedForMs).toBe(0);
    pass(50_000);
    deny();
    await opened;
    expect(seat.phase).toMatchObject({ kind: 'start', notice: { kind: 'refused' } });
  });
});

describe('somebody who knocks', () => {
  const BOB = { knockId: 'bob', name: 'Bob', ip: '192.0.2.x' };

  function knocked(error: TandemError | null = null, isHost = true) {
    const { session, listeners } = fakeSession();
    const said: [string, boolean][] = [];
    const admit: TandemSession['admit'] = (knockId, isAdmitted) => {
      said.push([knockId, isAdmitted]);
      return error === null ? Promise.resolve() : Promise.reject(error);
    };
    const staged = seatOf({ restore: () => Object.assign(session, { admit, isHost }) });
    staged.connect(true);
    staged.seat.restore();
    listeners.knock?.(BOB);
    return { ...staged, said, listeners };
  }

  it('waits until the host has answered, which it does once', async () => {
    const { seat, said } = knocked();
    expect(seat.waiting).toEqual([{ ...BOB, isAnswering: false }]);
    const answers = [seat.answerKnock('bob', true), seat.answerKnock('bob', false)];
    expect(seat.waiting).toEqual([{ ...BOB, isAnswering: true }]);
    await Promise.all(answers);
    expect([seat.waiting, said, seat.commandFault]).toEqual([[], [['bob', true]], null]);
  });

  it.each([
    ['JOIN_DENIED', true, false, 'JOIN_DENIED'],
    // Gone or refused is the same to whoever refuses.
    ['JOIN_DENIED', false, false, undefined],
    ['SESSION_FULL', true, false, 'SESSION_FULL'],
    ['SESSION_LOCKED', true, true, 'SESSION_LOCKED'],
    ['UNAVAILABLE', false, true, 'UNAVAILABLE'],
  ] as const)('and whose answer %s (%s) comes to nothing still waits: %s', async (code, admit, stillWaits, fault) => {
    const { seat } = knocked(new TandemError(code));
    await seat.answerKnock('bob', admit);
    expect(seat.waiting).toHaveLength(stillWaits ? 1 : 0);
    expect(seat.commandFault?.code).toBe(fault);
  });

  it('is asked about at the host alone, and no longer than the server waits', () => {
    expect(knocked(null, false).seat.waiting).toEqual([]);
    const { seat, pass } = knocked();
    pass(59_999);
    expect(seat.waiting).toHaveLength(1);
    pass(1);
    expect(seat.waiting).toEqual([]);
  });

  it('still waits after a lost connection when the server says so', () => {
    const { seat, pass, connect, listeners } = knocked();
    const cat = { ...BOB, knockId: 'cat' };
    listeners.knock?.(cat);
    pass(1_000);
    connect(false);
    connect(true);
    listeners.knock?.(cat);
    expect(seat.waiting).toHaveLength(2);
    pass(2_000);
    expect(seat.waiting.map(({ knockId }) => knockId)).toEqual(['cat']);
  });
});
