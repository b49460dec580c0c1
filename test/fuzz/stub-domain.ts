import type { JsonValue } from '../../protocol/session.ts';
import type { GatewayServices } from '../../server/realtime/gateway.ts';
import type { Identity } from '../../server/auth/identity.ts';
import type { Rooms } from '../../server/realtime/rooms.ts';
import type { Caller } from '../../server/sessions/seating.ts';

const FAR = 8_640_000_000_000;
const PAGE = { messages: [], hasMore: false, lastSeq: 0, durableSeq: 0, epoch: 1 };

/**
 * A domain that says yes to everything, and complains when the edge hands it what no part behind may see. What it throws
 * becomes an internal error, and so a failure of the run.
 */
export function createStubDomain(rooms: () => Pick<Rooms, 'attach'>, maxBodyBytes: number): GatewayServices {
  let seats = 0;
  const seated = (caller: Caller, input: unknown) => {
    assertTrusted(input, 34);
    seats += 1;
    const seatId = `seat-${seats}`;
    if (caller.seat === null) rooms().attach(caller.connection, `session-${seats}`, { seatId, generation: 1 });
    return Promise.resolve({ session: {}, self: { participantId: seatId, role: 'host', resumeToken: 'x' } });
  };
  const done = (...inputs: unknown[]) => {
    for (const input of inputs) assertTrusted(input, 4);
    return Promise.resolve({});
  };
  const domain = {
    seating: {
      create: seated,
      join: seated,
      answerKnock: done,
      resume: () => Promise.reject(new Error('not asked for')),
    },
    sessions: {
      ...{ leave: done, close: done, kick: done, lock: done, reopen: done, get: done, noteActivity: done },
      connectionLost: () => Promise.resolve(),
    },
    messages: {
      send: (_seat: unknown, input: { id: string; type: string; body: JsonValue; bodyJson: string }) => {
        assertTrusted(input.body, 32);
        assertTrusted([input.id, input.type], 2);
        if (input.bodyJson !== JSON.stringify(input.body))
          throw new Error('the text of a body is another than the body');
        if (Buffer.byteLength(input.bodyJson) > maxBodyBytes) throw new Error('a body is too large');
        return Promise.resolve({ seq: 1, sentAt: 0, epoch: 1, durableSeq: 0, duplicate: false });
      },
      findSent: () => Promise.resolve(null),
      signal: (_seat: unknown, { type, body }: { type: string; body: unknown }) => {
        assertTrusted(type, 0);
        if (!(body instanceof Uint8Array)) assertTrusted(body, 32);
        return Promise.resolve(0);
      },
      history: (_seat: unknown, range: unknown) => {
        assertTrusted(range, 2);
        return Promise.resolve(PAGE);
      },
      receipt: done,
      reportActivity: done,
    },
    maxBodyBytes,
    identities: {
      authenticate: (token: string): Promise<Identity> => {
        assertTrusted(token, 0);
        return Promise.resolve({
          userId: 'ann',
          kind: 'own',
          loginId: null,
          tokenId: 'x',
          issuedAt: FAR,
          expiresAt: FAR,
        });
      },
      ensureCounts: () => undefined,
      isRevoked: () => false,
      loginEndsAt: () => Promise.resolve(FAR),
      loginTtlMs: FAR,
      isRequired: false,
    },
  };
  // The services are classes with private parts; the edge calls these methods of theirs and no other.
  return domain as unknown as GatewayServices;
}

/** Throws at what the edge promises never to let through. Walks no deeper than is allowed. */
function assertTrusted(value: unknown, depthLeft: number): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000') || !value.isWellFormed())
      throw new Error('a text that Postgres would refuse passed the edge');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('a number that is none passed the edge');
  } else if (typeof value === 'object' && value !== null) {
    if (depthLeft === 0) throw new Error('a value that is nested too deep passed the edge');
    if (ArrayBuffer.isView(value)) throw new Error('binary passed the edge where text is due');
    for (const [key, inner] of Object.entries(value)) {
      assertTrusted(key, 0);
      assertTrusted(inner, depthLeft - 1);
    }
  } else if (typeof value === 'function' || typeof value === 'symbol') {
    throw new Error('something that is no JSON passed the edge');
  }
}
