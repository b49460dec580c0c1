import { DURABILITIES } from '../../protocol/session.ts';
import { duration, integer, oneOf } from './scalars.ts';
import type { VariableTable } from './variable.ts';

export const SESSION_VARIABLES = {
  CODE_LENGTH: { doc: 'Characters of a pairing code, 6 to 12', default: '6', parse: integer(6, 12) },
  CODE_TTL: { doc: 'How long a pairing code can be used', default: '15m', parse: duration('1ms', '365d') },
  PARTICIPANT_GRACE: {
    doc: 'How long a participant that lost its connection keeps its seat',
    default: '10m',
    parse: duration('0s', '365d'),
  },
  SESSION_IDLE_WARNING: {
    doc: 'After how long without activity a session is warned; below SESSION_IDLE_TIMEOUT',
    default: '5m',
    parse: duration('1ms', '365d'),
  },
  SESSION_IDLE_TIMEOUT: {
    doc: 'After how long without activity a session is closed as idle',
    default: '30m',
    parse: duration('10ms', '365d'),
  },
  SESSION_TTL: {
    doc: 'After how long without activity any session is closed as expired',
    default: '24h',
    parse: duration('1ms', '365d'),
  },
  MESSAGE_MAX_BYTES: {
    doc: 'Largest body of a message, in bytes of UTF-8 JSON, up to 49152',
    default: '16384',
    parse: integer(1, 49_152),
  },
  HISTORY_HOT_MESSAGES: {
    doc: 'Messages of an open session that are kept at hand; older ones are read from the database',
    default: '500',
    parse: integer(1, 100_000),
  },
  MESSAGE_RETENTION: {
    doc: 'How long messages are kept',
    default: '90d',
    parse: duration('1ms', '3650d'),
  },
  RETRY_HORIZON: {
    doc: 'How long a repeated send, create or join is recognised as the same one',
    default: '1h',
    parse: duration('1ms', '365d'),
  },
  DURABILITY: {
    doc: 'auto, or what an acknowledgement must be worth: archived, redis_always, redis_everysec or redis_memory',
    default: 'auto',
    parse: oneOf('auto', ...DURABILITIES),
  },
} as const satisfies VariableTable;
