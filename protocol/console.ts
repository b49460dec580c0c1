/**
 * What the operator's console and the server say to each other: Socket.IO, namespace `/console`, handshake
 * `auth: { token: <admin token> }`. Never a body of a message, a token or a code.
 */
import type { WireError } from './errors.ts';
import type { Durability, JsonObject, LeaveReason, Participant, Session, SessionStatus } from './session.ts';

export type Condition = 'ok' | 'degraded' | 'failed' | 'disabled';

/** `silent`: it has not reported for longer than it should; frozen, cut off or dead. */
export type InstanceState = 'ready' | 'not_ready' | 'draining' | 'silent';

/** What an instance tells of itself every two seconds. Counters count since its start. */
export interface InstanceReport {
  instanceId: string;
  version: string;
  state: InstanceState;
  /** Clock of the deployment. */
  startedAt: string;
  reportedAt: string;
  connections: number;
  sessions: { waiting: number; paired: number };
  participants: { online: number; away: number };
  messagesTotal: number;
  /** Refusals by limits, name as in a refusal. */
  limitedTotal: Record<string, number>;
  /** Of messages delivered since the report before; null where there was none. */
  deliveryMs: { p50: number; p99: number } | null;
  eventLoopLagMs: number;
  memoryBytes: number;
  /** Processor time since the report before, in cores. */
  cpuCores: number;
  stores: {
    redis: { status: Condition; latencyMs: number | null };
    database: { status: Condition; latencyMs: number | null };
    archive: { lagMs: number; backlogMessages: number; sessionsSetAside: number | null };
    mail: { status: Condition };
  };
  durability: Durability;
  /** The same in words: what an acknowledged message survives. */
  durabilityMeaning: string;
}

/** One row of the list of sessions. */
export interface SessionRow {
  id: string;
  status: SessionStatus;
  createdAt: string;
  participants: number;
  online: number;
  capacity: number;
  locked: boolean;
  lastSeq: number;
  /** Of those that gave one: who searches by name sees whom he found. */
  names: string[];
}

/** Something that happened to a session. */
export interface TimelineItem {
  at: string;
  kind:
    | 'created'
    | 'joined'
    | 'paired'
    | 'away'
    | 'resumed'
    | 'limited'
    | 'left'
    | 'host_changed'
    | 'locked'
    | 'unlocked'
    | 'code_changed'
    | 'rebuilt'
    | 'closed';
  /** Null for what concerns all. */
  participantId: string | null;
  /** Of `left` and `closed` the reason; of `limited` the name of the limit; of `resumed`: `reset` where it was one. */
  reason: string | null;
  /** How often, of those that are counted together (`limited`). */
  count: number;
}

export interface LoginRow {
  id: string;
  ip: string | null;
  userAgent: string | null;
  createdAt: string;
  lastUsedAt: string;
}

/** Payload and result of every command of the console; acks as everywhere. */
export interface ConsoleCommands {
  /** `search`: the start of a session's id, or of a name in it. `cursor`: of the page before. */
  'console:sessions': {
    payload: { status?: SessionStatus; search?: string; cursor?: string; limit?: number };
    result: { sessions: SessionRow[]; nextCursor: string | null };
  };
  'console:session': {
    payload: { sessionId: string };
    /** `code` is null in it always. */
    result: { session: Session; left: { participant: Participant; reason: LeaveReason; at: string }[] };
  };
  /** Newest first. */
  'console:timeline': {
    payload: { sessionId: string; cursor?: string; limit?: number };
    result: { events: TimelineItem[]; nextCursor: string | null };
  };
  'console:close': { payload: { sessionId: string }; result: JsonObject };
  'console:kick': { payload: { sessionId: string; participantId: string }; result: JsonObject };
  /** Asks that instance to stop, as SIGTERM does. Answered when it has said yes, or `UNAVAILABLE` after 3 s. */
  'console:drain': { payload: { instanceId: string }; result: JsonObject };
  /** `user`: id or e-mail address. */
  'console:logins': {
    payload: { user: string };
    result: { user: { id: string; name: string | null; createdAt: string }; logins: LoginRow[] };
  };
  /** One login, or all of the user. */
  'console:sign_out': { payload: { userId: string; loginId?: string }; result: JsonObject };
}

export interface ConsoleEvents {
  /** Every two seconds, and at once after the handshake: all instances that have reported within ten minutes and have not ended in order. */
  'console:instances': { at: string; instances: InstanceReport[] };
  /** Just before the server ends the connection, because it stops. */
  'console:closing': { reason: 'draining' };
}

export type ConsoleAck<R> = ({ ok: true } & R) | { ok: false; error: WireError };
export type ConsoleCommandName = keyof ConsoleCommands;

/** A report that is older is not of an instance that lives. */
export const SILENT_AFTER_MS = 7_000;
export const REPORT_EVERY_MS = 2_000;
