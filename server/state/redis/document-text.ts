/**
 * A session's document as it lies in Redis: short, because it lies there for every session, and read by every version
 * of the server that runs side by side.
 */
import { z } from 'zod';
import type { SessionDocument, Seat } from '../../sessions/session.ts';

const ROLES = { h: 'host', g: 'guest' } as const;

const SEAT = z.tuple([
  z.string(), // id
  z.enum(['h', 'g']),
  z.string().nullable(), // name
  z.string().nullable(), // user
  z.string(), // token hash
  z.string().nullable(), // key hash
  z.number(), // key at
  z.number(), // joined at
  z.number(), // joined seq
  z.number(), // away since, 0 while online
  z.number(), // generation
  z.string().nullable(), // instance
]);

export function encodeDocument({ id: _id, seats, ...rest }: SessionDocument): string {
  return JSON.stringify({ ...rest, seats: seats.map(encodeSeat) });
}

/** Throws when the text was not written by `encodeDocument`. */
export function decodeDocument(id: string, text: string): SessionDocument {
  const { seats, ...rest } = JSON.parse(text) as Omit<SessionDocument, 'id' | 'seats'> & { seats: unknown[] };
  return { id, ...rest, seats: seats.map(decodeSeat) };
}

function encodeSeat(seat: Seat): z.infer<typeof SEAT> {
  const { id, role, name, userId, tokenHash, key, joinedAt, joinedSeq, awaySince, generation, instance } = seat;
  return [
    id,
    role === 'host' ? 'h' : 'g',
    name,
    userId,
    tokenHash,
    key?.hash ?? null,
    key?.at ?? 0,
    joinedAt,
    joinedSeq,
    awaySince ?? 0,
    generation,
    instance,
  ];
}

function decodeSeat(value: unknown): Seat {
  const [id, role, name, userId, tokenHash, keyHash, keyAt, joinedAt, joinedSeq, away, generation, instance] =
    SEAT.parse(value);
  return {
    id,
    role: ROLES[role],
    name,
    userId,
    tokenHash,
    key: keyHash === null ? null : { hash: keyHash, at: keyAt },
    joinedAt,
    joinedSeq,
    presence: away === 0 ? 'online' : 'away',
    awaySince: away === 0 ? null : away,
    generation,
    instance,
  };
}
