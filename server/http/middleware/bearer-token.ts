import type { IncomingMessage } from 'node:http';

/** The token of `Authorization: Bearer`; null when there is none, more than one, or another scheme. */
export function bearerToken(request: IncomingMessage): string | null {
  const given = request.headersDistinct.authorization;
  if (given?.length !== 1) return null;
  return /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(given[0] ?? '')?.[1] ?? null;
}
