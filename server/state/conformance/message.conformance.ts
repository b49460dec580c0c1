import { randomUUID } from 'node:crypto';
import type { LimitInfo } from '../../../protocol/errors.ts';
import type { LimitRequest } from '../../../protocol/limits.ts';
import type { JsonValue, Message } from '../../../protocol/session.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { AppendRequest, SessionState } from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import { MINUTE } from './suite.conformance.ts';
import type { Harness } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { pair } from './room.conformance.ts';
import type { Room } from './room.conformance.ts';

/** A send of which a test says only what it is about. */
export function message(
  room: Room,
  sender: SeatHolder,
  given: { id?: string; type?: string; body?: JsonValue; limits?: readonly LimitRequest[] } = {},
): AppendRequest {
  const { id = freshId(), type = 'text', body = 'hello', limits = [] } = given;
  const bodyJson = JSON.stringify(body);
  return { sessionId: room.id, sender, id, type, body, bodyJson, fingerprint: fingerprintOf(type, bodyJson), limits };
}

/** The same send with other content. */
export function otherwise(request: AppendRequest): AppendRequest {
  const bodyJson = '"otherwise"';
  return { ...request, body: 'otherwise', bodyJson, fingerprint: fingerprintOf(request.type, bodyJson) };
}

/** Sends and gives the seq. */
export async function sendOk(
  h: Harness,
  room: Room,
  sender: SeatHolder,
  given: Parameters<typeof message>[2] = {},
): Promise<number> {
  return expectKind(await h.state.append(message(room, sender, given)), 'appended').seq;
}

export function findSend(h: Harness, { sessionId, sender, id, fingerprint }: AppendRequest) {
  return h.state.findSend(sessionId, sender.seatId, id, fingerprint);
}

export async function roomWithMessages(h: Harness, count: number): Promise<{ room: Room; guest: SeatHolder }> {
  const { room, guest } = await pair(h);
  for (let index = 0; index < count; index += 1) await sendOk(h, room, room.host);
  return { room, guest };
}

export async function readLog(h: Harness, sessionId: string, range: Parameters<SessionState['readLog']>[1]) {
  const page = await h.state.readLog(sessionId, range);
  if (page === null) throw new Error(`expected session ${sessionId} to have a log`);
  return page;
}

export function deliveredSeqs(h: Harness, sessionId: string): number[] {
  return h.deliveries.filter((one) => one.message.sessionId === sessionId).map((one) => one.message.seq);
}

export function seqsOf(page: { readonly messages: readonly Message[] }): number[] {
  return page.messages.map(({ seq }) => seq);
}

export function limitOf(name: string, points: number, durationMs = MINUTE): LimitRequest {
  const info: LimitInfo = { name, scope: 'user', points, durationSeconds: durationMs / 1000 };
  return { info, bucket: 'somebody', blockMs: 0 };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

export function freshId(): string {
  return randomUUID();
}
