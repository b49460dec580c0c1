import type { AccountStore } from '../../auth/ports.ts';
import type { CommitBatch, DurableStore, MailQueue, StoredSession } from '../../sessions/ports.ts';
import type { Seat, SessionDocument } from '../../sessions/session.ts';
import { NOTHING, NOW, creation, entry, newSeat, newSession } from '../../../test/support/stored-session.ts';

export interface OpenDurableStore {
  readonly store: DurableStore;
  readonly accounts: AccountStore;
  readonly mailQueue: MailQueue;
  close(): Promise<void>;
  /** Breaks every connection of the store, as a failing network does. The database goes on. */
  breakConnections(): Promise<void>;
}

/** What the tests of a topic get; opened before the first of them runs. */
export interface Suite {
  readonly store: DurableStore;
  readonly accounts: AccountStore;
  readonly mailQueue: MailQueue;
  breakConnections(): Promise<void>;
}

export async function stored(store: DurableStore): Promise<{ session: SessionDocument; host: Seat; guest: Seat }> {
  const [host, guest] = [newSeat('host'), newSeat('guest')];
  const session = newSession({ seats: [host, guest] });
  await store.commit(creation(session));
  return { session, host, guest };
}

export async function loaded(store: DurableStore, sessionId: string, now: number = NOW): Promise<StoredSession> {
  const session = await store.loadSession(sessionId, now);
  if (session === null) throw new Error(`Session ${sessionId} is not stored`);
  return session;
}

/** What the document looks like when nobody is connected any more. */
export function afterRestart(session: SessionDocument, now: number): SessionDocument {
  const seats = session.seats.map((seat): Seat => ({
    ...seat,
    presence: 'away',
    awaySince: now,
    generation: 0,
    instance: null,
  }));
  return { ...session, seats };
}

export function change(session: SessionDocument, changed: readonly Seat[]): CommitBatch {
  return { ...NOTHING, sessions: [entry(session, changed)] };
}

export function count(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1);
}
