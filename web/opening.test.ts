import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CommandName, CommandPayload } from '../protocol/commands.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { Outcome } from './connection.ts';
import type { OpenedSeat, Opening, OpeningWish } from './opening.ts';
import { openSeat } from './opening.ts';

const seat = { self: { participantId: 'me', role: 'guest', resumeToken: 'token' } } as OpenedSeat;
const join: OpeningWish = { command: 'session:join', name: 'Ada', code: 'BCD234' };

function refused(code: ErrorCode, retryable: boolean, retryAfterMs = 0): Outcome<'session:join'> {
  return { kind: 'refused', error: { code, message: code, retryable, retryAfterMs } };
}

/** A server that gives these answers in turn, and remembers what it was asked. */
class Server {
  readonly asked: { command: string; payload: object }[] = [];
  isReachable = true;
  private readonly answers: Outcome<'session:join'>[];

  constructor(...answers: Outcome<'session:join'>[]) {
    this.answers = answers;
  }

  request<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<Outcome<C>> {
    this.asked.push({ command, payload });
    // Create and join have the same answer, and nothing else is asked here.
    return Promise.resolve((this.answers.shift() ?? { kind: 'ok', result: seat }) as Outcome<C>);
  }

  whenConnected(giveUp: AbortSignal): Promise<boolean> {
    if (this.isReachable) return Promise.resolve(true);
    return new Promise((resolve) => giveUp.addEventListener('abort', () => resolve(false)));
  }
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function keyOf(asked: { payload: object } | undefined): unknown {
  return asked !== undefined && 'key' in asked.payload ? asked.payload.key : undefined;
}

async function open(server: Server, wish = join, giveUp = new AbortController().signal): Promise<Opening> {
  const opening = openSeat(wish, server, giveUp, () => undefined);
  await jest.advanceTimersByTimeAsync(60_000);
  return opening;
}

describe('taking a seat', () => {
  it('repeats what has no known outcome under the same key, so that it never takes two', async () => {
    const server = new Server({ kind: 'lost' }, refused('UNAVAILABLE', true), refused('INTERNAL', true));
    expect(await open(server)).toEqual({ kind: 'opened', seat });
    expect(server.asked).toHaveLength(4);
    expect(new Set(server.asked.map(keyOf)).size).toBe(1);
    expect(server.asked[0]?.payload).toEqual({
      name: 'Ada',
      code: 'BCD234',
      key: expect.stringMatching(/^[\w-]{16,64}$/),
    });
  });

  it('has a key of its own for each wish', async () => {
    const server = new Server();
    await open(server, { command: 'session:create', name: '' });
    await open(server, { command: 'session:create', name: '' });
    const [first, second] = server.asked;
    expect(Object.keys(first?.payload ?? {})).toEqual(['key']);
    expect(keyOf(first)).not.toBe(keyOf(second));
  });

  it.each([
    ['RATE_LIMITED', true],
    ['SESSION_NOT_FOUND', false],
  ] as const)('leaves %s to the user, who may want another code', async (code, retryable) => {
    const server = new Server(refused(code, retryable, 5_000));
    expect(await open(server)).toMatchObject({ kind: 'refused', error: { code } });
    expect(server.asked).toHaveLength(1);
  });

  it('never comes back before the server asked it to', async () => {
    const server = new Server(refused('UNAVAILABLE', true, 61_000));
    const opening = openSeat(join, server, new AbortController().signal, () => undefined);
    await jest.advanceTimersByTimeAsync(60_999);
    expect(server.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(await opening).toEqual({ kind: 'opened', seat });
  });

  it('ends when the user gives up, with or without a connection', async () => {
    const giveUp = new AbortController();
    const silent = new Server();
    silent.isReachable = false;
    const waiting = open(silent, join, giveUp.signal);
    const repeating = open(new Server(refused('UNAVAILABLE', true, 3_600_000)), join, giveUp.signal);
    giveUp.abort();
    expect(await waiting).toEqual({ kind: 'stopped' });
    expect(await repeating).toEqual({ kind: 'stopped' });
  });
});
