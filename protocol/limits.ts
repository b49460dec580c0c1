/** The limit that refused a command. `durationSeconds` is the length of its window. */
export interface LimitInfo {
  name: string;
  scope: LimitScope;
  points: number;
  durationSeconds: number;
}

export type LimitScope = 'user' | 'ip' | 'connection' | 'key' | 'deployment';

/** Default of one rate limit: `points` in any window of `durationSeconds`; `blockSeconds` of refusal once exhausted. */
export interface LimitDefault {
  readonly scope: LimitScope;
  readonly points: number;
  readonly durationSeconds: number;
  readonly blockSeconds: number;
}

export const LIMITS = {
  messages_user: { scope: 'user', points: 10, durationSeconds: 60, blockSeconds: 0 },
  messages_ip: { scope: 'ip', points: 20, durationSeconds: 60, blockSeconds: 0 },
  messages_connection: { scope: 'connection', points: 5, durationSeconds: 1, blockSeconds: 0 },
  connections_ip: { scope: 'ip', points: 5, durationSeconds: 60, blockSeconds: 0 },
  signals_connection: { scope: 'connection', points: 50, durationSeconds: 1, blockSeconds: 0 },
  commands_connection: { scope: 'connection', points: 50, durationSeconds: 1, blockSeconds: 0 },
  join_failures_ip: { scope: 'ip', points: 5, durationSeconds: 60, blockSeconds: 300 },
  join_failures_total: { scope: 'deployment', points: 1000, durationSeconds: 60, blockSeconds: 0 },
  auth: { scope: 'ip', points: 5, durationSeconds: 900, blockSeconds: 900 },
  general: { scope: 'ip', points: 100, durationSeconds: 900, blockSeconds: 0 },
  api: { scope: 'key', points: 1000, durationSeconds: 3600, blockSeconds: 0 },
  emails_user: { scope: 'user', points: 10, durationSeconds: 3600, blockSeconds: 0 },
  emails_recipient: { scope: 'key', points: 3, durationSeconds: 86_400, blockSeconds: 0 },
} as const satisfies Record<string, LimitDefault>;

export type LimitName = keyof typeof LIMITS;

export function isLimitName(name: string | undefined): name is LimitName {
  return name !== undefined && Object.hasOwn(LIMITS, name);
}

/** Sizes that client and server must agree on, in bytes of UTF-8 JSON unless the name says otherwise. */
export const SIZES = {
  /** Largest packet that a client may send. */
  packet: 65_536,
  /** Default of `MESSAGE_MAX_BYTES`. */
  messageBody: 16_384,
  signalBody: 16_384,
  metadata: 4_096,
  /** Largest answer of `message:history` and largest `messages` of `session:resumed`. */
  page: 262_144,
  /** Most messages in one `session:resumed`. */
  resumedMessages: 500,
  historyLimit: 200,
  /** Deepest nesting of a JSON value: `[]` is 1 deep. */
  depth: 32,
  nameCharacters: 64,
} as const;

/** Digits and letters of a pairing code: no vowels (no words), and nothing that is mistaken for another: 0 O, 1 I L. */
export const CODE_ALPHABET = '23456789BCDFGHJKMNPQRSTVWXYZ';

/** One limit that something counts for: which, and whose bucket (a user, an address, a key). */
export interface LimitRequest {
  readonly info: LimitInfo;
  readonly bucket: string;
  /** How long the bucket refuses once it is exhausted; 0: only until the window has room again. */
  readonly blockMs: number;
}

/** One request as it was counted: what its caller may be told. */
export interface LimitCount {
  readonly isTaken: boolean;
  /** Points that are left. */
  readonly remaining: number;
  /** Milliseconds until there is a point more, or until any is taken again. */
  readonly resetMs: number;
  /** By the clock that counts; names the point in `giveBack`. */
  readonly takenAt: number;
}
