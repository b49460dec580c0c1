import type { ClosingReason } from './closings.ts';
import type { WireError } from './errors.ts';
import type {
  ActivityState,
  CloseReason,
  JsonValue,
  LeaveReason,
  Message,
  Participant,
  Presence,
  Self,
  Session,
} from './session.ts';

/** Payload of every event, server to client. */
export interface Events {
  'session:resumed': {
    session: Session;
    self: Self;
    messages: Message[];
    hasMore: boolean;
    /** Messages that no longer exist anywhere. */
    gap: { fromSeq: number; toSeq: number } | null;
    /** True when the store lost or changed what this client had seen. */
    reset: boolean;
  };
  'session:paired': { session: Session };
  'session:joined': { participant: Participant; session: Session };
  /** Someone waits for the host's approval; `ip` is masked. */
  'session:knock': { knockId: string; name: string | null; ip: string };
  'session:presence': { participantId: string; presence: Presence };
  'session:activity': { participantId: string; state: ActivityState };
  'session:left': { participantId: string; reason: LeaveReason; session: Session };
  'session:updated': { session: Session };
  'session:idle': { closesAt: string };
  'session:closed': { sessionId: string; reason: CloseReason };
  'session:head': { epoch: number; lastSeq: number; durableSeq: number };
  'message:new': Message;
  'message:receipt': { participantId: string; delivered: number; read: number };
  'signal:new': { from: string; type: string; body: JsonValue | Uint8Array };
  'connection:closing': { reason: ClosingReason; reconnect: boolean; retryAfterMs?: number };
  'server:draining': { reconnectAfterMs: number };
  /** A command that was sent without a callback failed. */
  'command:failed': { command: string; error: WireError };
}

export type EventName = keyof Events;

const events: Record<EventName, true> = {
  'session:resumed': true,
  'session:paired': true,
  'session:joined': true,
  'session:knock': true,
  'session:presence': true,
  'session:activity': true,
  'session:left': true,
  'session:updated': true,
  'session:idle': true,
  'session:closed': true,
  'session:head': true,
  'message:new': true,
  'message:receipt': true,
  'signal:new': true,
  'connection:closing': true,
  'server:draining': true,
  'command:failed': true,
};
/**
 * Every event at run time; one missing or left over above does not compile. The cast gives back the type of the keys,
 * which Object.keys forgets.
 */
export const EVENT_NAMES = Object.keys(events) as readonly EventName[];

/** Socket.IO's map of events from server to client. */
export type ServerToClientEvents = { [E in EventName]: (payload: Events[E]) => void };
