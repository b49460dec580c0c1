import { LIMITS, type LimitName } from '../../protocol/limits.ts';
import { integer, oneOf } from './scalars.ts';
import type { Variable, VariableTable } from './variable.ts';

export const LIMIT_PREFIX = 'RATE_LIMIT_';
const YEAR_SECONDS = 365 * 86_400;

export type LimitVariable = `RATE_LIMIT_${Uppercase<LimitName>}_${'POINTS' | 'DURATION' | 'BLOCK'}`;

const COUNTED: Record<LimitName, string> = {
  messages_user: 'Messages of one participant',
  messages_ip: 'Messages from one address',
  messages_connection: 'Messages of one connection',
  connections_ip: 'New connections from one address',
  signals_connection: 'Signals of one connection',
  commands_connection: 'Commands of one connection',
  join_failures_ip: 'Wrong codes from one address',
  join_failures_total: 'Wrong codes in the whole deployment',
  auth: 'Attempts to sign in or register from one address',
  general: 'Requests of one user, or from one address',
  api: 'Requests with one API key',
  emails_user: 'Invitations by one user',
  emails_recipient: 'Invitations to one recipient',
};

export const POLICY_VARIABLES = {
  RATE_LIMIT_FAIL_POLICY: {
    doc: 'When the shared limits cannot be reached: memory (each instance its share), closed (refuse) or open (allow)',
    default: 'memory',
    parse: oneOf('memory', 'closed', 'open'),
  },
} as const satisfies VariableTable;

export function limitVariable<P extends 'POINTS' | 'DURATION' | 'BLOCK'>(limit: LimitName, property: P) {
  return `RATE_LIMIT_${limit.toUpperCase() as Uppercase<LimitName>}_${property}` as const;
}

/** Three variables for each limit of the protocol, with its defaults. */
export const LIMIT_VARIABLES = Object.fromEntries(
  limitNames().flatMap((limit): [LimitVariable, Variable<number>][] => {
    const { points, durationSeconds, blockSeconds } = LIMITS[limit];
    const counted = COUNTED[limit];
    return [
      [
        limitVariable(limit, 'POINTS'),
        {
          doc: `${counted} in any window; 0 switches the limit off`,
          default: String(points),
          parse: integer(0, 1_000_000),
        },
      ],
      [
        limitVariable(limit, 'DURATION'),
        {
          doc: `${counted}: the window, in seconds`,
          default: String(durationSeconds),
          parse: integer(1, YEAR_SECONDS),
        },
      ],
      [
        limitVariable(limit, 'BLOCK'),
        {
          doc: `${counted}: refused this long once the limit is exceeded, in seconds`,
          default: String(blockSeconds),
          parse: integer(0, YEAR_SECONDS),
        },
      ],
    ];
  }),
) as Record<LimitVariable, Variable<number>>; // fromEntries forgets which names it was given

export function limitNames(): readonly LimitName[] {
  return Object.keys(LIMITS) as LimitName[]; // the keys of a constant are the names of its type
}
