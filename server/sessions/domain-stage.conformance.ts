/** The domain over the in-process state, with a store that can fail and clients whose events are written down. */
import type { Message } from '../../protocol/session.ts';
import { randomUUID } from 'node:crypto';
import { MemoryLimits } from '../state/memory/memory-limits.ts';
import { MemoryState } from '../state/memory/memory-state.ts';
import { Recorder } from '../state/memory/recorder.conformance.ts';
import { Announcer } from './announcer.ts';
import { CachedMessages } from './cached-messages.ts';
import { CodeSource } from './code-source.ts';
import { History } from './history.ts';
import { JoinGuard } from './join-guard.ts';
import { MessageService } from './message-service.ts';
import type { Connection, SessionEvents } from './ports.ts';
import { Seating, type Caller, type HeldSeat } from './seating.ts';
import { SessionService } from './session-service.ts';
import { TimelineQueue } from './timeline-queue.ts';

const MINUTE = 60_000;
export const TIMINGS = { graceMs: 10 * MINUTE, idleWarningMs: 5 * MINUTE, idleTimeoutMs: 30 * MINUTE, ttlMs: 1e9 };

/** What was said to clients: to whom, what, and with which payload. */
export interface Told {
  readonly to: string;
  readonly event: string;
  readonly payload?: unknown;
}

/** Seats by connection, as the edge keeps them, and everything that was said. */
class Clients implements SessionEvents {
  readonly told: Told[] = [];
  readonly seats = new Map<string, HeldSeat>();
  readonly #knockListeners = new Set<(knockId: string) => boolean>();

  attach({ id }: Connection, sessionId: string, holder: { seatId: string; generation: number }): void {
    this.seats.set(id, { sessionId, ...holder });
  }

  detach(_sessionId: string, seatId: string): void {
    this.told.push({ to: seatId, event: 'detach' });
    for (const [id, seat] of this.seats) if (seat.seatId === seatId) this.seats.delete(id);
  }

  toAll(_sessionId: string, event: string, payload: unknown): void {
    this.told.push({ to: 'all', event, payload });
  }

  toOthers(_sessionId: string, seatId: string, event: string, payload: unknown): void {
    this.told.push({ to: `not ${seatId}`, event, payload });
  }

  toSeat(_sessionId: string, seatId: string, event: string, payload: unknown): void {
    this.told.push({ to: seatId, event, payload });
  }

  answerKnock(knockId: string): void {
    for (const listener of this.#knockListeners) listener(knockId);
  }

  onKnockAnswered(listener: (knockId: string) => boolean): void {
    this.#knockListeners.add(listener);
  }

  toHere(_sessionId: string, event: string, payload: unknown): void {
    this.told.push({ to: 'all', event, payload });
  }

  seatsHere(sessionId: string): HeldSeat[] {
    return [...this.seats.values()].filter((seat) => seat.sessionId === sessionId);
  }

  replaceSeat(_sessionId: string, seatId: string): void {
    this.told.push({ to: seatId, event: 'replaceSeat' });
  }

  signal(): void {
    throw new Error('nobody sends signals here');
  }

  closeSeat(_sessionId: string, seatId: string, reason: string): void {
    this.told.push({ to: seatId, event: 'closeSeat', payload: reason });
  }
}

export function openDomain() {
  let at = Date.parse('2026-01-31T12:00:00.000Z');
  const now = () => at;
  const recorder = new Recorder();
  const clients = new Clients();
  const pairSeconds: number[] = [];
  const resumes: string[] = [];
  const faults: unknown[] = [];
  const ignore = () => undefined;
  const limits = new MemoryLimits(now);
  const state: MemoryState = new MemoryState({
    durable: recorder,
    onMessage: (message, sender) =>
      clients.told.push({
        to: 'all',
        event: 'message:new',
        payload: { message: JSON.parse(message.json) as Message, sender },
      }),
    onRecovered: (recovery) => sessions.recovered(recovery),
    limits,
    timings: TIMINGS,
    retryHorizonMs: 60 * MINUTE,
    hotMessages: 500,
    now,
    onFault: (error) => faults.push(error),
  });
  const events = clients;
  const [dropped, droppedAt, close] = [() => 0, () => null, async () => {}];
  const logger = { error: ignore, warn: ignore, info: ignore, debug: ignore, dropped, droppedAt, close };
  const metrics = {
    pairing: ignore,
    signalSent: ignore,
    timeToPair: (seconds: number) => pairSeconds.push(seconds),
    resume: (outcome: string) => resumes.push(outcome),
  };
  const announcer = new Announcer({ events, durability: () => 'archived', now, logger, metrics });
  const codes = new CodeSource({ state, minLength: 6, ttlMs: 15 * MINUTE, now });
  const timeline = new TimelineQueue({ now, newId: randomUUID });
  const sessions = new SessionService({
    ...{ state, events, announcer, codes, timeline },
    timings: TIMINGS,
    instanceId: 'here',
  });
  const history = new History(state, new CachedMessages(recorder, { getOrSet: ({ load }) => load() }));
  const seating = new Seating({
    ...{ state, history, events, announcer, codes, timeline, logger, metrics, now },
    guard: new JoinGuard({ limits, failuresOfIp: () => null, failuresInTotal: null }),
    retryHorizonMs: 60 * MINUTE,
    instanceId: 'here',
    newId: randomUUID,
  });
  const messages = new MessageService({ state, history, events });
  const caller = (id: string, userId: string | null = null): Caller => ({
    userId,
    connection: { id },
    ip: '192.0.2.1',
    maskedIp: '192.0.2.x',
    seat: clients.seats.get(id) ?? null,
  });
  const seatOf = (id: string): HeldSeat => {
    const seat = clients.seats.get(id);
    if (seat === undefined) throw new Error(`${id} holds no seat`);
    return seat;
  };
  const create = (id: string, key: string | null = null, approval = false) =>
    seating.create(caller(id), { name: id, capacity: 3, metadata: {}, approval, shareHistory: false, key });
  const join = (id: string, code: string | null, key: string | null = null) =>
    seating.join(caller(id), { code: code ?? '', name: id, key });
  return {
    ...{ recorder, clients, state, sessions, seating, messages, history, timeline, pairSeconds, resumes, faults },
    ...{ seatOf, create, join, now, callerOf: caller },
    advance: (ms: number) => {
      at += ms;
    },
    /** What was said since the last call. */
    told: () => clients.told.splice(0),
  };
}

export type Domain = ReturnType<typeof openDomain>;
