/** What a session looks like on the wire. Times are ISO 8601 UTC with milliseconds, ids UUIDs. */

export type SessionStatus = 'waiting' | 'paired' | 'closed';
export type Role = 'host' | 'guest';
export type Presence = 'online' | 'away';
export type ActivityState = 'active' | 'idle';
export type LeaveReason = 'left' | 'kicked' | 'timeout';
export type CloseReason = 'closed' | 'idle' | 'expired' | 'empty';

/** What an acknowledgement is worth, from the strongest to the weakest. */
export const DURABILITIES = ['archived', 'redis_always', 'redis_everysec', 'redis_memory'] as const;
export type Durability = (typeof DURABILITIES)[number];

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = Record<string, JsonValue>;

export interface Participant {
  id: string;
  role: Role;
  name: string | null;
  userId: string | null;
  presence: Presence;
  state: ActivityState;
  joinedAt: string;
  /** Head of the session when the seat was taken. */
  joinedSeq: number;
  /** Highest seq that the participant reported as delivered, and as read. */
  delivered: number;
  read: number;
}

export interface Session {
  id: string;
  /** Null while nobody can join by it. */
  code: string | null;
  status: SessionStatus;
  capacity: number;
  locked: boolean;
  approval: boolean;
  shareHistory: boolean;
  epoch: number;
  lastSeq: number;
  /** Every message with a seq up to this one is committed in Postgres. */
  durableSeq: number;
  durability: Durability;
  createdAt: string;
  codeExpiresAt: string | null;
  metadata: JsonObject;
  participants: Participant[];
}

export interface Message {
  /** Chosen by the sender: 8..64 of `A-Z a-z 0-9 _ -`. */
  id: string;
  seq: number;
  sessionId: string;
  /** Participant id, or `server`. */
  from: string;
  type: string;
  body: JsonValue;
  sentAt: string;
}

/** The caller's own seat. `resumeToken` only in the acks of create and join: it is shown once and stored as a hash. */
export interface Self {
  participantId: string;
  role: Role;
}
export interface SelfWithToken extends Self {
  resumeToken: string;
}
