/** How a Supabase project is asked: functions of its database, called over its Data API. Loaded only where one is named. */
import { createClient, type SupabaseClientOptions } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { createTurns } from './turns.ts';

/** What `SUPABASE_*` say. */
export interface SupabaseProject {
  /** Without a slash at its end. */
  readonly url: string;
  readonly serviceRoleKey: string;
}

/**
 * Of a call, from the wait for its turn to the last byte of the answer. Its statement has ended by then: the functions
 * have 1.7 s.
 */
const CALL_MS = 1_900;
/** More of what a gateway says is a page, not a reason. */
const MAX_REASON = 200;

/** The two declarations differ in what an event may hold. */
type WebSocketOfClient = NonNullable<NonNullable<SupabaseClientOptions<'public'>['realtime']>['transport']>;

export interface SupabaseCallsOptions {
  /** Calls at once; others wait for their turn. */
  readonly max: number;
  readonly callMs?: number;
  /** Called after each call: its name, seconds from the call to its end, whether it succeeded. */
  readonly onQuery?: (name: string, seconds: number, ok: boolean) => void;
}

export interface SupabaseCalls {
  /** Calls the function `tandem_<name>`, once; gives what it returns. Rejects with `SupabaseCallError`. */
  call(name: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Waits for what runs; may be called twice. */
  end(): Promise<void>;
}

/** No answer, or one that says no. */
export class SupabaseCallError extends Error {
  override readonly name = 'SupabaseCallError';
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number;
  /** A SQLSTATE, a code of the Data API's own (`PGRST202`), or empty. */
  readonly code: string;

  constructor(reason: string, status: number, code: string) {
    super(`${reason} (${code === '' ? (status === 0 ? 'no answer' : `HTTP ${status}`) : code})`);
    this.status = status;
    this.code = code;
  }
}

export function createSupabaseCalls(
  { url, serviceRoleKey }: SupabaseProject,
  { max, callMs = CALL_MS, onQuery }: SupabaseCallsOptions,
): SupabaseCalls {
  const client = createClient(url, serviceRoleKey, {
    // No user signs in here: without this, each request would look for one.
    accessToken: () => Promise.resolve(null),
    // Unused, but without one the client is not made where Node.js has no WebSocket of its own.
    realtime: { transport: WebSocket as unknown as WebSocketOfClient },
    // Whoever calls repeats what is safe to repeat. Its `timeout` ends with the headers, and takes a signal's place: none.
    db: { retry: false },
    // A redirect would carry the key to somewhere else.
    global: { fetch: (input, init) => fetch(input, { ...init, redirect: 'error' }) },
  });
  const turns = createTurns(max);
  const running = new Set<Promise<unknown>>();
  let ending: Promise<void> | null = null;

  const ask = async (name: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const signal = AbortSignal.timeout(callMs);
    if (!(await turns.take(signal))) throw new SupabaseCallError('Too many calls wait for the project', 0, '');
    try {
      const answer = await client.rpc(`tandem_${name}`, parameters).abortSignal(signal);
      if (answer.error !== null) throw callError(answer.error, answer.status);
      return answer.data as unknown;
    } finally {
      turns.giveBack();
    }
  };

  const measured = async (name: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const start = performance.now();
    let ok = false;
    try {
      const data = await ask(name, parameters);
      ok = true;
      return data;
    } finally {
      onQuery?.(name, (performance.now() - start) / 1000, ok);
    }
  };

  return {
    call: (name, parameters = {}) => {
      if (ending !== null) return Promise.reject(new SupabaseCallError('The store is closed', 0, ''));
      const call = measured(name, parameters);
      running.add(call);
      const forget = () => void running.delete(call);
      call.then(forget, forget);
      return call;
    },
    end: () => (ending ??= Promise.allSettled(running).then(() => undefined)),
  };
}

/** All fields may be missing: what answers may be a gateway, with an answer of its own. */
interface Refusal {
  readonly message?: unknown;
  readonly details?: unknown;
  readonly code?: unknown;
}

function callError({ message, details, code }: Refusal, status: number): SupabaseCallError {
  // Of a request that failed, what it failed of stands in the details alone, with a stack behind it.
  const cause = status === 0 ? /^Caused by: (.+)$/m.exec(textOf(details))?.[1] : undefined;
  const reason = (cause ?? textOf(message)).replace(/\s+/g, ' ').trim().slice(0, MAX_REASON);
  return new SupabaseCallError(reason === '' ? 'It gave no reason' : reason, status, textOf(code));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
