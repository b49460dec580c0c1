import type { JsonValue } from '../protocol/session.ts';
import type { UnsentMessage } from './outbox.ts';

/** What brings this participant back after a reload: who it is, and what it has not got rid of yet. */
export interface StoredSeat {
  sessionId: string;
  participantId: string;
  resumeToken: string;
  epoch: number;
  unsent: UnsentMessage[];
}

const KEY = 'tandem.seat';

/**
 * The seat of this tab. In sessionStorage, so that it survives a reload and ends with the tab, and that two tabs are two
 * participants. A browser that forbids storage costs the resume after a reload and nothing else.
 */
export class SeatStore {
  private readonly storage: Storage | null;

  constructor(storage: Storage | null) {
    this.storage = storage;
  }

  load(): StoredSeat | null {
    try {
      return parseSeat(JSON.parse(this.storage?.getItem(KEY) ?? 'null'));
    } catch {
      // Storage is forbidden, or holds what this page did not write: there is no seat.
      return null;
    }
  }

  save(seat: StoredSeat): void {
    try {
      this.storage?.setItem(KEY, JSON.stringify(seat));
    } catch {
      // Forbidden or full: the page itself still holds everything.
    }
  }

  forget(): void {
    try {
      this.storage?.removeItem(KEY);
    } catch {
      // Forbidden: then nothing was stored.
    }
  }
}

function parseSeat(value: unknown): StoredSeat | null {
  if (!isRecord(value)) return null;
  const { sessionId, participantId, resumeToken, epoch, unsent } = value;
  if (typeof sessionId !== 'string' || typeof participantId !== 'string' || typeof resumeToken !== 'string')
    return null;
  if (typeof epoch !== 'number' || !Array.isArray(unsent)) return null;
  return { sessionId, participantId, resumeToken, epoch, unsent: unsent.flatMap(parseUnsent) };
}

function parseUnsent(value: unknown): UnsentMessage[] {
  if (!isRecord(value)) return [];
  const { id, type, body } = value;
  // A value that came out of JSON.parse is JSON.
  return typeof id === 'string' && typeof type === 'string' ? [{ id, type, body: body as JsonValue }] : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
