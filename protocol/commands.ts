import type { WireError } from './errors.ts';
import type { ActivityState, JsonObject, JsonValue, Message, Self, SelfWithToken, Session } from './session.ts';

/** Payload and result of every command, client to server. */
export interface Commands {
  'session:create': {
    payload: {
      name?: string;
      capacity?: number;
      metadata?: JsonObject;
      approval?: boolean;
      shareHistory?: boolean;
      key?: string;
    };
    result: { session: Session; self: SelfWithToken };
  };
  'session:join': {
    payload: { code: string; name?: string; key?: string };
    result: { session: Session; self: SelfWithToken };
  };
  'session:admit': { payload: { knockId: string; admit: boolean }; result: EmptyPayload };
  'session:leave': { payload: EmptyPayload; result: EmptyPayload };
  'session:close': { payload: EmptyPayload; result: EmptyPayload };
  'session:kick': { payload: { participantId: string }; result: EmptyPayload };
  'session:lock': { payload: { locked: boolean }; result: { session: Session } };
  'session:reopen': { payload: EmptyPayload; result: { session: Session } };
  'session:get': { payload: EmptyPayload; result: { session: Session; self: Self } };
  'message:send': {
    payload: { id: string; body: JsonValue; type?: string };
    result: { id: string; seq: number; sentAt: string; epoch: number; durableSeq: number; duplicate: boolean };
  };
  'message:history': {
    payload: { afterSeq?: number; beforeSeq?: number; limit?: number };
    result: { messages: Message[]; hasMore: boolean; lastSeq: number; durableSeq: number; epoch: number };
  };
  'message:receipt': { payload: { delivered?: number; read?: number }; result: EmptyPayload };
  'signal:send': {
    payload: { type: string; body: JsonValue | Uint8Array; to?: string };
    result: { recipients: number };
  };
  'activity:report': { payload: { state: ActivityState }; result: EmptyPayload };
  'auth:refresh': { payload: { token: string }; result: EmptyPayload };
}

export type EmptyPayload = Record<string, never>;
export type CommandName = keyof Commands;

const commands: Record<CommandName, true> = {
  'session:create': true,
  'session:join': true,
  'session:admit': true,
  'session:leave': true,
  'session:close': true,
  'session:kick': true,
  'session:lock': true,
  'session:reopen': true,
  'session:get': true,
  'message:send': true,
  'message:history': true,
  'message:receipt': true,
  'signal:send': true,
  'activity:report': true,
  'auth:refresh': true,
};
/**
 * Every command at run time; one missing or left over above does not compile. The cast gives back the type of the keys,
 * which Object.keys forgets.
 */
export const COMMAND_NAMES = Object.keys(commands) as readonly CommandName[];

export type CommandPayload<C extends CommandName> = Commands[C]['payload'];
export type CommandResult<C extends CommandName> = Commands[C]['result'];

/** What the callback of a command receives. */
export type Ack<C extends CommandName> = ({ ok: true } & CommandResult<C>) | { ok: false; error: WireError };

/** Socket.IO's map of events from client to server. */
export type ClientToServerEvents = {
  [C in CommandName]: (payload: CommandPayload<C>, ack?: (answer: Ack<C>) => void) => void;
};

/** `auth` of the handshake. `lastSeq` is the highest seq up to which the client has everything, 0 if none. */
export interface HandshakeAuth {
  token?: string;
  resume?: {
    sessionId: string;
    participantId: string;
    resumeToken: string;
    epoch: number;
    lastSeq: number;
    /** `id` of the message with `lastSeq`. */
    lastId?: string;
    /** Highest durableSeq that the client was told. */
    durableSeq?: number;
  };
}
