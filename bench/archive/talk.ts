import { setTimeout as delay } from 'node:timers/promises';
import { Samples, type Summary } from '../engine/samples.ts';
import type { ArchiverChild } from './archiver-child.ts';
import type { HotSession, HotSessions } from './hot-sessions.ts';
import { LagBook } from './lag-book.ts';
import type { Meter, Spent } from './meter.ts';

const WARMUP_MS = 2000;
/** In between, the durable heads are read: a lag is seen at most so much too long. */
export const LOOK_MS = 10;
const SETTLE_DEADLINE_MS = 60_000;

export interface Talk {
  readonly sessions: readonly HotSession[];
  readonly ratePerSecond: number;
  readonly durationMs: number;
}

export interface Talked {
  /** Of all messages after the warm-up, from the call of the append. */
  readonly ack: Summary | null;
  readonly lag: Summary | null;
  /** The warm-up included. */
  readonly appended: number;
  readonly notArchived: number;
  readonly spent: Spent;
}

/** Message k is due at start + k / rate, at the sessions in turn; one that comes late because of a stall is not left out. */
export async function talk(
  hot: HotSessions,
  { sessions, ratePerSecond, durationMs }: Talk,
  archiver: ArchiverChild,
  meter: Meter,
  signal: AbortSignal,
): Promise<Talked> {
  const book = new LagBook();
  const acks = new Samples();
  const warmUp = Math.floor((ratePerSecond * WARMUP_MS) / 1000);
  const total = warmUp + Math.floor((ratePerSecond * durationMs) / 1000);
  const broken = new AbortController();
  const ended = AbortSignal.any([signal, broken.signal]);
  const orBreak = (work: Promise<void>): Promise<void> => work.catch((error: unknown) => broken.abort(error));

  const append = async (number: number): Promise<void> => {
    const index = number % sessions.length;
    const session = sessions[index];
    if (session === undefined) throw new Error('there is a session of every index');
    const appendedAt = performance.now();
    const seq = await hot.append(session);
    const knownAt = performance.now();
    if (number < warmUp) return;
    acks.add(knownAt - appendedAt);
    book.appended(index, seq, appendedAt, knownAt);
  };
  let isTalking = true;
  const look = async (): Promise<void> => {
    const endAt = performance.now() + WARMUP_MS + durationMs + SETTLE_DEADLINE_MS;
    while ((isTalking || book.open > 0) && performance.now() < endAt) {
      if (!archiver.isRunning) throw new Error('the archiver ended; see its message above');
      const seqs = await hot.durableSeqs(sessions);
      const seenAt = performance.now();
      for (const [session, seq] of seqs.entries()) book.archived(session, seq, seenAt);
      await delay(LOOK_MS, undefined, { signal: ended });
    }
  };

  const stopMeter = await meter.start();
  const looking = orBreak(look());
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  for (let number = 0; number < total && !ended.aborted; number += 1) {
    const dueAt = startedAt + (number * 1000) / ratePerSecond;
    for (let now = performance.now(); now < dueAt; now = performance.now()) await delay(Math.max(1, dueAt - now));
    const appending = orBreak(append(number)).finally(() => underWay.delete(appending));
    underWay.add(appending);
  }
  await Promise.all(underWay);
  const spent = await stopMeter();
  isTalking = false;
  await looking;
  ended.throwIfAborted();
  return { ack: acks.summary(), lag: book.summary(), appended: total, notArchived: book.open, spent };
}
