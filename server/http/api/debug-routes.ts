import { z } from 'zod';
import { TandemError } from '../../../protocol/errors.ts';
import type { LimitScope } from '../../../protocol/errors.ts';
import { credentialsBucket, senderBucket, userBucket } from '../../limits/buckets.ts';
import { addressBucket } from '../../limits/client-ip.ts';
import { limitInfo, type LimitRule, type LimitRules } from '../../limits/limit-rules.ts';
import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import type { Limits, SessionSnapshot } from '../../sessions/ports.ts';
import type { SessionDirectory } from '../../sessions/session-directory.ts';
import { statusOf } from '../../sessions/session.ts';
import { iso } from '../../sessions/iso.ts';
import { defineRoute, type ApiRoute } from './route.ts';
import { idParams, limitParam } from './shapes.ts';

const anything = z.record(z.string(), z.unknown());

/** One connection of this instance, without what would let anybody speak for it. */
export interface ConnectionReport {
  readonly id: string;
  readonly ip: string;
  readonly openedAt: string;
  readonly sessionId: string | null;
  readonly participantId: string | null;
  readonly userId: string | null;
  readonly commandsInFlight: number;
  readonly unsentBytes: number;
}

export interface DebugRouteOptions {
  /** The configuration with its secrets masked. */
  config: () => Record<string, unknown>;
  /** What the shared state tells of itself; `type` is `memory` where there is none. */
  hotState: () => Promise<Record<string, unknown>>;
  connections: (limit: number) => { total: number; connections: ConnectionReport[] };
  directory: Pick<SessionDirectory, 'list' | 'find'>;
  limits: Pick<Limits, 'waitOf'>;
  rules: LimitRules;
  timings: Timings;
}

/** For operators who look for what is wrong. Each answer is bounded in size and cost, and holds no secret. */
export function debugRoutes(options: DebugRouteOptions): ApiRoute[] {
  const { config, hotState, connections, directory, limits, rules, timings } = options;
  return [
    defineRoute({
      method: 'GET',
      path: '/api/debug/config',
      name: 'debugConfig',
      summary: 'The configuration as it was understood, secrets masked',
      who: 'admin',
      answer: anything,
      handle: () => Promise.resolve(config()),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/debug/redis',
      name: 'debugRedis',
      summary: 'What the shared state tells of itself',
      who: 'admin',
      answer: anything,
      handle: () => hotState(),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/debug/sessions',
      name: 'debugSessions',
      summary: 'The newest sessions',
      who: 'admin',
      query: z.strictObject({ limit: limitParam(100, 20) }),
      answer: z.object({ sessions: z.array(anything), nextCursor: z.null() }),
      handle: async ({ query }) => {
        const { items } = await directory.list(null, { cursor: null, limit: query.limit });
        const sessions = items.map(({ code, metadata: _metadata, participants, ...session }) => ({
          ...session,
          hasCode: code !== null,
          participants: participants.map(({ id, role, presence }) => ({ id, role, presence })),
        }));
        return { sessions, nextCursor: null };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/debug/sessions/{id}',
      name: 'debugSession',
      summary: 'One session as the state has it: seats, who holds them, what comes next',
      who: 'admin',
      params: idParams,
      answer: anything,
      errors: ['SESSION_NOT_FOUND'],
      handle: async ({ params }) => reportOf(await directory.find(params.id), timings),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/debug/limits/{scope}/{key}',
      name: 'debugLimits',
      summary: 'How long each limit of this scope makes this user, address or key wait',
      who: 'admin',
      params: z.object({ scope: z.enum(['user', 'ip', 'key', 'deployment']), key: z.string().min(1).max(256) }),
      answer: z.object({ scope: z.string(), limits: z.array(anything) }),
      handle: async ({ params: { scope, key } }) => ({ scope, limits: await waitsOf(limits, rules, scope, key) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/debug/connections',
      name: 'debugConnections',
      summary: 'Connections of this instance',
      who: 'admin',
      query: z.strictObject({ limit: limitParam(200, 50) }),
      answer: z.object({ total: z.int(), connections: z.array(anything) }),
      handle: ({ query }) => {
        const { total, connections: listed } = connections(query.limit);
        return Promise.resolve({ total, connections: listed.map((one) => ({ ...one })) });
      },
    }),
  ];
}

function reportOf(snapshot: SessionSnapshot, timings: Timings): Record<string, unknown> {
  const { document, lastSeq, durableSeq, lastActivityAt, receipts } = snapshot;
  const { id, epoch, createdAt, capacity, locked, approval, shareHistory, code, seats, closed, kickedUsers } = document;
  const next = nextDeadline(document, { lastActivityAt, idleWarned: true }, timings);
  return {
    ...{ id, epoch, status: statusOf(document), capacity, locked, approval, shareHistory, lastSeq, durableSeq },
    createdAt: iso(createdAt),
    lastActivityAt: iso(lastActivityAt),
    closed: closed === null ? null : { reason: closed.reason, at: iso(closed.at) },
    codeExpiresAt: code === null ? null : iso(code.expiresAt),
    nextDeadline: next === null ? null : { kind: next.kind, at: iso(next.at) },
    kickedUsers: kickedUsers?.length ?? 0,
    knocks: document.knocks?.length ?? 0,
    participants: seats.map((seat) => ({
      ...{ id: seat.id, role: seat.role, userId: seat.userId, presence: seat.presence, joinedSeq: seat.joinedSeq },
      ...{ generation: seat.generation, instance: seat.instance },
      awaySince: seat.awaySince === null ? null : iso(seat.awaySince),
      ...(receipts.get(seat.id) ?? { delivered: 0, read: 0 }),
    })),
  };
}

/** Of connections each instance keeps its own count, and of mailboxes nobody can say which they are. */
function bucketsOf(rules: LimitRules, scope: LimitScope, key: string): (readonly [LimitRule, string])[] {
  const bucket = scope === 'ip' ? addressBucket(key) : scope === 'deployment' ? 'all' : key;
  const counted: (readonly [LimitRule, string])[] = Object.values(rules)
    .filter((rule) => rule.scope === scope && rule !== rules.emails_recipient && rule !== rules.emails_user)
    .map((rule) => [rule, bucket]);
  if (scope === 'user') counted.push([rules.general, userBucket(key)]);
  if (scope === 'ip') {
    for (const rule of [rules.auth, rules.general]) counted.push([rule, credentialsBucket(bucket)]);
  }
  if (scope === 'user' || scope === 'key' || scope === 'ip') {
    counted.push([rules.emails_user, senderBucket(scope, bucket)]);
  }
  return counted;
}

async function waitsOf(
  limits: Pick<Limits, 'waitOf'>,
  rules: LimitRules,
  scope: LimitScope,
  key: string,
): Promise<Record<string, unknown>[]> {
  const counted = bucketsOf(rules, scope, key);
  const asked = counted.filter(([{ points }]) => points > 0);
  if (asked.length === 0) throw new TandemError('UNKNOWN_COMMAND', 'No limit counts by this scope.');
  return Promise.all(
    asked.map(async ([rule, bucket]) => {
      const info = limitInfo(rule);
      const waitMs = await limits.waitOf({ info, bucket, blockMs: rule.blockMs });
      return { name: info.name, bucket, points: info.points, durationSeconds: info.durationSeconds, waitMs };
    }),
  );
}
