import type { z } from 'zod';
import { TandemError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import { inspectJson } from '../../protocol/json.ts';
import { SIZES } from '../../protocol/limits.ts';
import { limitRequests, type LimitRules } from '../limits/limit-rules.ts';
import type { Identity } from '../auth/identity.ts';
import type { Limits } from '../sessions/ports.ts';
import { rateLimited } from '../sessions/refusals.ts';
import type { ResumeInput, Seating } from '../sessions/seating.ts';
import type { Connection } from './connection.ts';
import { issuesOf } from '../sessions/payloads.ts';
import { schemas } from './schemas.ts';

/** Tells who a token speaks for. Throws `UNAUTHENTICATED`, and `UNAVAILABLE` when that can't be told now. */
export type Authenticate = (token: string) => Promise<Identity>;

export interface HandshakeOptions {
  seating: Seating;
  authenticate: Authenticate;
  /** Throws when a token that was verified does not count any more. */
  ensureCounts: (identity: Identity) => void;
  /** Whether guests are refused. */
  isAuthRequired: boolean;
  limits: Limits;
  rules: LimitRules;
}

/**
 * Decides who may connect. Resolves with what a returning participant missed, or null for a new connection. Throws
 * `INVALID_PAYLOAD`, `UNAUTHENTICATED`, `RESUME_REJECTED`, `RATE_LIMITED`.
 */
export async function shakeHands(
  connection: Connection,
  auth: unknown,
  { seating, authenticate, ensureCounts, isAuthRequired, limits, rules }: HandshakeOptions,
): Promise<Events['session:resumed'] | null> {
  try {
    const { token, resume } = parse(auth);
    if (token !== null) {
      const identity = await authenticate(token);
      // From here on the connection is looked at when something is revoked.
      connection.identity = identity;
      ensureCounts(identity);
    } else if (isAuthRequired) {
      throw new TandemError('UNAUTHENTICATED', 'Sign in first, and send the access token as auth.token.');
    }
    // A valid resume is exempt from the limit of connections: returning costs what leaving saved.
    if (resume !== null) return await seating.resume(connection, connection.identity?.userId ?? null, resume);
  } catch (error) {
    // An outage is nobody's attempt; anything else counts like a new connection.
    if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE')
      await countHandshake(connection.ip, limits, rules);
    throw error;
  }
  await countHandshake(connection.ip, limits, rules);
  return null;
}

function parse(auth: unknown): { token: string | null; resume: ResumeInput | null } {
  const given = auth ?? {};
  const issue = inspectJson(given, SIZES.depth);
  if (issue !== null) throw invalidAuth([issue]);
  const parsed = schemas.handshake.safeParse(given);
  if (!parsed.success) throw invalidAuth(issuesOf(parsed.error));
  const { token, resume } = parsed.data;
  return { token: token ?? null, resume: resume === undefined ? null : resumeOf(resume) };
}

function resumeOf(resume: NonNullable<z.output<typeof schemas.handshake>['resume']>): ResumeInput {
  const { sessionId, participantId, resumeToken, epoch, lastSeq, lastId, durableSeq } = resume;
  return {
    sessionId: sessionId.toLowerCase(),
    participantId: participantId.toLowerCase(),
    resumeToken,
    epoch,
    lastSeq,
    lastId: lastId ?? null,
    durableSeq: durableSeq ?? 0,
  };
}

function invalidAuth(issues: ReturnType<typeof issuesOf>): TandemError {
  const [first] = issues;
  return new TandemError('INVALID_PAYLOAD', `auth.${first?.path ?? ''}: ${first?.message ?? 'wrong shape'}`, {
    issues,
  });
}

/** One more new connection of this address. Throws `RATE_LIMITED`. */
export async function countHandshake(ip: string, limits: Limits, rules: LimitRules): Promise<void> {
  const verdict = await limits.take(limitRequests(rules, [['connections_ip', ip]]));
  if (verdict.kind === 'refused') throw rateLimited(verdict.limit, verdict.retryAfterMs);
}
