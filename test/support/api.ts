import { createHash } from 'node:crypto';
import { answerFault } from './answer-check.ts';
import type { Problem } from '../../protocol/problem.ts';

export interface ApiCall {
  /** Access token of a user. */
  token?: string;
  /** API key. */
  key?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface ApiAnswer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  /** What came, parsed; an empty object when there was nothing. */
  readonly body: T;
}

export interface SignedInUser {
  readonly user: { id: string; email: string; name: string | null; createdAt: string };
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSeconds: number;
}

export const PASSWORD = 'correct horse battery staple';

/** How an API key stands in the configuration. */
export function sha256Of(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The HTTP interface of a server. Every answer is compared with the description that the server gives of itself. */
export class Api {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    { token, key, body, headers = {} }: ApiCall = {},
  ): Promise<ApiAnswer<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { 'X-API-Key': key }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as T,
    };
    const fault = await answerFault(this.url, { method, path }, answer);
    if (fault !== null) throw new Error(fault);
    return answer;
  }

  /** What no route of the interface is: pages, metrics. */
  async text(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
    const response = await fetch(this.url + path, { headers });
    return { status: response.status, body: await response.text() };
  }

  /** What a call gave that must succeed. */
  async ok<T = Record<string, unknown>>(method: string, path: string, call: ApiCall = {}): Promise<T> {
    const answer = await this.call<T>(method, path, call);
    if (answer.status >= 300) throw new Error(`${method} ${path} was refused: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Status and code of a call that must be refused. */
  async refusal(method: string, path: string, call: ApiCall = {}): Promise<[number, string]> {
    const { status, headers, body } = await this.call<Problem>(method, path, call);
    if (status < 400) throw new Error(`${method} ${path} was expected to be refused`);
    if (!(headers.get('Content-Type') ?? '').startsWith('application/problem+json')) {
      throw new Error(`${method} ${path} was refused without a problem document`);
    }
    return [status, body.code];
  }

  register(email: string, password = PASSWORD): Promise<SignedInUser> {
    return this.ok('POST', '/api/v1/auth/register', { body: { email, password } });
  }

  login(email: string, password = PASSWORD): Promise<SignedInUser> {
    return this.ok('POST', '/api/v1/auth/login', { body: { email, password } });
  }
}
