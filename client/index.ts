export { TandemClient } from './client.ts';
export { TandemSession } from './session.ts';
export { canEncrypt } from './encryption.ts';
export { formatCode, parseCode } from './code.ts';
export type { TypedCode } from './code.ts';
export { codeInFragment, handoverLink, pairingLink, parseTarget } from './link.ts';
export type { Target } from './link.ts';
export { randomId } from './random-id.ts';
export { ERRORS, TandemError } from '../protocol/errors.ts';
export type { ErrorCode, LimitInfo, PayloadIssue } from '../protocol/errors.ts';
export type {
  ActivityState,
  CloseReason,
  Durability,
  JsonObject,
  JsonValue,
  LeaveReason,
  Message,
  Participant,
  Presence,
  Role,
  Session,
} from '../protocol/session.ts';
export type * from './types.ts';
