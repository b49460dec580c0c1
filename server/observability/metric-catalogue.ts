import { Counter, Gauge, type Registry } from 'prom-client';
import { CLOSINGS, type ClosingReason } from '../../protocol/closings.ts';
import { COMMAND_NAMES } from '../../protocol/commands.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Presence, SessionStatus } from '../../protocol/session.ts';
import { DurationHistogram } from './duration-histogram.ts';

const PREFIX = 'tandem_';

/** Label of a command that does not exist: what a client calls it must not become a label. */
export const UNKNOWN_COMMAND = 'unknown';

/** `client`: it left by itself; `transport`: the connection broke. */
export type ConnectionEnd = ClosingReason | 'client' | 'transport';
/** `paired`: a waiting session got its second participant; `refused`: a join failed; `expired`: nobody came in time. */
export type PairingOutcome = 'paired' | 'refused' | 'expired';
export type ResumeOutcome = 'resumed' | 'reset' | 'rejected';
export type AuthOutcome = 'ok' | 'rejected';
/** Pages of messages, profiles of users, counts by day, what a code leads to. */
export const CACHE_NAMES = ['history', 'user', 'analytics', 'code'] as const;
export type CacheName = (typeof CACHE_NAMES)[number];
/** `error`: where it is kept did not answer in time. */
export type CacheOutcome = 'hit' | 'miss' | 'error';
export type EmailOutcome = 'sent' | 'failed';

/** Outcomes of commands that alerts are about; the other codes appear with their first refusal. */
const ALARMING = ['internal', 'unavailable', 'rate_limited'] as const satisfies Lowercase<ErrorCode>[];
const CONNECTION_ENDS = [...Object.keys(CLOSINGS), 'client', 'transport'];
export const SESSION_STATUSES = ['waiting', 'paired', 'closed'] as const satisfies SessionStatus[];
export const PRESENCES = ['online', 'away'] as const satisfies Presence[];

/** Methods that keep their name as a label; any other is `OTHER`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** From half a millisecond, a command that touches memory alone, to the 5 s within which all are answered. */
const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Up to the default life of a code. */
const PAIRING_SECONDS = [1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 900];

export type MetricCatalogue = ReturnType<typeof defineMetrics>;

/** Every metric of Tandem with its labels, registered, and at zero wherever the labels are known in advance. */
export function createCatalogue(register: Registry): MetricCatalogue {
  const catalogue = defineMetrics(register);
  zero(catalogue);
  return catalogue;
}

export function methodLabel(method: string): string {
  return METHODS.has(method) ? method : 'OTHER';
}

function defineMetrics(register: Registry) {
  const common = { registers: [register] };
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ ...common, name: PREFIX + name, help, labelNames });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ ...common, name: PREFIX + name, help, labelNames });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[] = [], buckets = FAST_SECONDS) =>
    new DurationHistogram<L>({ register, name: PREFIX + name, help, labelNames, buckets });

  return {
    connections: gauge('connections', 'Open Socket.IO connections of this instance.'),
    sessions: gauge('sessions', 'Sessions that this instance holds, by status.', ['status']),
    participants: gauge('participants', 'Participants of those sessions, by presence.', ['presence']),
    commands: counter('commands_total', 'Commands answered: ok, or the error code in lower case.', [
      'command',
      'outcome',
    ]),
    commandSeconds: histogram('command_duration_seconds', 'Time from a command to its answer.', ['command']),
    messages: counter('messages_total', 'Messages appended to sessions.'),
    deliverySeconds: histogram('message_delivery_seconds', 'Time from append to emit at the receiving instance.'),
    signals: counter('signals_total', 'Signals passed on.'),
    pairings: counter('pairings_total', 'Attempts to pair, by outcome.', ['outcome']),
    pairSeconds: histogram(
      'time_to_pair_seconds',
      'Time from creation to the second participant.',
      [],
      PAIRING_SECONDS,
    ),
    resumes: counter('resumes_total', 'Resumes, by outcome.', ['outcome']),
    rateLimited: counter('rate_limited_total', 'Refusals by a limit.', ['limit']),
    closed: counter('connections_closed_total', 'Connections that ended, by reason.', ['reason']),
    auth: counter('auth_total', 'Checks of credentials and tokens, by outcome.', ['outcome']),
    revocations: counter('revocations_total', 'Tokens and logins revoked.'),
    revocationsActive: gauge('revocations_active', 'Revocations that have not expired.'),
    redisUp: gauge('redis_up', 'Whether Redis answers: 1 or 0; 0 where none is configured.'),
    redisSeconds: histogram('redis_command_duration_seconds', 'Time of a Redis command.'),
    redisReconnects: counter('redis_reconnects_total', 'Connections to Redis made anew.'),
    databaseUp: gauge('database_up', 'Whether the database answers: 1 or 0.'),
    querySeconds: histogram('database_query_duration_seconds', 'Time of a database statement.', ['query']),
    archiveLag: gauge('archive_lag_seconds', 'Age of the oldest message that is not archived.'),
    archiveBacklog: gauge('archive_backlog_messages', 'Messages that are not archived yet.'),
    setAside: counter('archive_set_aside_total', 'Sessions that were set aside because the archive refused them.'),
    sendBuffer: gauge('send_buffer_bytes', 'Bytes accepted for clients and not yet sent.'),
    eventLoopLag: gauge('event_loop_lag_seconds', 'Longest delay of the event loop in the last 15 to 30 s.'),
    httpSeconds: histogram('http_request_duration_seconds', 'Time of an HTTP request, by route pattern.', [
      'method',
      'route',
      'status',
    ]),
    cache: counter('cache_requests_total', 'Look-ups in a cache.', ['cache', 'outcome']),
    emails: counter('emails_total', 'E-mails, by outcome.', ['outcome']),
    logLinesDropped: counter('log_lines_dropped_total', 'Log lines that could not be written.'),
    ready: gauge('ready', 'Whether /health/ready answers 200: 1 or 0.'),
    build: gauge('build_info', 'Version of the server; always 1.', ['version']),
  };
}

/** Series of known labels stand at zero from the start, so that a rate over the first event is seen. */
function zero(catalogue: MetricCatalogue): void {
  for (const command of COMMAND_NAMES) {
    for (const outcome of ['ok', ...ALARMING]) catalogue.commands.inc({ command, outcome }, 0);
    catalogue.commandSeconds.series({ command });
  }
  catalogue.commands.inc({ command: UNKNOWN_COMMAND, outcome: 'unknown_command' }, 0);
  catalogue.commandSeconds.series({ command: UNKNOWN_COMMAND });
  for (const status of SESSION_STATUSES) catalogue.sessions.set({ status }, 0);
  for (const presence of PRESENCES) catalogue.participants.set({ presence }, 0);
  for (const limit of Object.keys(LIMITS)) catalogue.rateLimited.inc({ limit }, 0);
  for (const reason of CONNECTION_ENDS) catalogue.closed.inc({ reason }, 0);
  for (const outcome of ['paired', 'refused', 'expired'] satisfies PairingOutcome[]) {
    catalogue.pairings.inc({ outcome }, 0);
  }
  for (const outcome of ['resumed', 'reset', 'rejected'] satisfies ResumeOutcome[])
    catalogue.resumes.inc({ outcome }, 0);
  for (const outcome of ['ok', 'rejected'] satisfies AuthOutcome[]) catalogue.auth.inc({ outcome }, 0);
  for (const cache of CACHE_NAMES) {
    for (const outcome of ['hit', 'miss', 'error'] satisfies CacheOutcome[]) catalogue.cache.inc({ cache, outcome }, 0);
  }
  for (const outcome of ['sent', 'failed'] satisfies EmailOutcome[]) catalogue.emails.inc({ outcome }, 0);
  // Two requests that every deployment sees; other routes and methods appear with their first use.
  catalogue.httpSeconds.series({ method: 'GET', route: '/metrics', status: '200' });
  catalogue.httpSeconds.series({ method: 'GET', route: '/health/ready', status: '200' });
}
