/**
 * The error catalogue: one list for sockets and HTTP. `docs/protocol.md` repeats it for readers, and a test keeps both
 * equal in both directions.
 */
import type { LimitInfo, LimitScope } from './limits.ts';

export type { LimitInfo, LimitScope };

export interface ErrorEntry {
  /** HTTP status that an answer with this code carries. */
  readonly status: number;
  /** Whether the same request can succeed later without a change of its content. */
  readonly retryable: boolean;
  /** Short, constant text: the `title` of a problem document. */
  readonly title: string;
}

export const ERRORS = {
  INVALID_PAYLOAD: { status: 400, retryable: false, title: 'The payload has the wrong shape or size' },
  UNKNOWN_COMMAND: { status: 404, retryable: false, title: 'There is no such command or route' },
  UNAUTHENTICATED: { status: 401, retryable: false, title: 'A valid token is required' },
  INVALID_CREDENTIALS: { status: 401, retryable: false, title: 'The e-mail address or the password is wrong' },
  FORBIDDEN: { status: 403, retryable: false, title: 'This is not allowed here' },
  SESSION_NOT_FOUND: { status: 404, retryable: false, title: 'There is no such session' },
  SESSION_FULL: { status: 409, retryable: false, title: 'Every seat of the session is taken' },
  SESSION_LOCKED: { status: 409, retryable: false, title: 'The session is locked' },
  SESSION_CLOSED: { status: 410, retryable: false, title: 'The session is closed' },
  NOT_IN_SESSION: { status: 409, retryable: false, title: 'The command needs a session' },
  ALREADY_IN_SESSION: { status: 409, retryable: false, title: 'This connection has an open session' },
  JOIN_DENIED: { status: 403, retryable: false, title: 'The host refused, or did not answer in time' },
  RESUME_REJECTED: { status: 401, retryable: false, title: 'The seat cannot be resumed' },
  ID_REUSED: { status: 409, retryable: false, title: 'This message id was sent before with other content' },
  EMAIL_TAKEN: { status: 409, retryable: false, title: 'There is an account with this e-mail address' },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false, title: 'The body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false, title: 'The body must be uncompressed JSON in UTF-8' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, title: 'The route does not serve this method' },
  RATE_LIMITED: { status: 429, retryable: true, title: 'A limit is exhausted' },
  UNAVAILABLE: { status: 503, retryable: true, title: 'The server cannot answer now; the outcome may be unknown' },
  INTERNAL: { status: 500, retryable: true, title: 'A fault of the server' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** One fault of a payload; `path` is dotted (`metadata.colour`), empty for the payload itself. */
export interface PayloadIssue {
  path: string;
  message: string;
}

/** The `error` of a refused command, and the `data` of a `connect_error`. `retryAfterMs` is in milliseconds. */
export interface WireError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  limit?: LimitInfo;
  issues?: PayloadIssue[];
}

export interface TandemErrorDetails {
  retryAfterMs?: number;
  limit?: LimitInfo;
  issues?: PayloadIssue[];
  cause?: unknown;
}

/** The one error that leaves a room on purpose: a code of the catalogue, and a message that says what to do. */
export class TandemError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly limit: LimitInfo | undefined;
  readonly issues: PayloadIssue[] | undefined;

  constructor(code: ErrorCode, message: string = ERRORS[code].title, details: TandemErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TandemError';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
    this.limit = details.limit;
    this.issues = details.issues;
  }

  /** The error that a server told. */
  static fromWire({ code, message, retryAfterMs, limit, issues }: WireError): TandemError {
    return new TandemError(code, message, {
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(limit === undefined ? {} : { limit }),
      ...(issues === undefined ? {} : { issues }),
    });
  }

  /** Whether the same request can succeed later without a change of its content. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toWire(): WireError {
    const wire: WireError = { code: this.code, message: this.message, retryable: this.retryable };
    if (this.retryAfterMs !== undefined) wire.retryAfterMs = this.retryAfterMs;
    if (this.limit !== undefined) wire.limit = this.limit;
    if (this.issues !== undefined) wire.issues = this.issues;
    return wire;
  }
}
