import { url } from './addresses.ts';
import { duration, flag, text } from './scalars.ts';
import { apiKeys, bearerToken, jwtSecrets } from './secrets.ts';
import type { VariableTable } from './variable.ts';
import { webhookSecret } from './webhook-secret.ts';

export const AUTH_VARIABLES = {
  JWT_SECRET: {
    doc: 'Secret that signs access tokens, 32 bytes or more; a second one after a comma only verifies; required in production',
    default: '',
    secret: true,
    requiredInProduction: true,
    parse: jwtSecrets,
  },
  JWT_JWKS_URL: {
    doc: 'Where a foreign issuer of access tokens publishes its keys (JWKS); JWT_ISSUER and JWT_AUDIENCE are its own then',
    default: '',
    parse: url('https', 'http'),
  },
  JWT_ISSUER: { doc: 'Issuer that access tokens must name', default: 'tandem', parse: text(256) },
  JWT_AUDIENCE: { doc: 'Audience that access tokens must name', default: 'tandem', parse: text(256) },
  ACCESS_TOKEN_TTL: { doc: 'How long an access token is valid', default: '15m', parse: duration('1s', '365d') },
  REFRESH_TOKEN_TTL: {
    doc: 'How long a login lasts that is not used',
    default: '7d',
    parse: duration('1s', '365d'),
  },
  AUTH_REQUIRED: {
    doc: 'Whether connections need an access token',
    default: 'false',
    parse: flag,
  },
  REGISTRATION_OPEN: { doc: 'Whether anyone may register', default: 'true', parse: flag },
  API_KEYS: {
    doc: 'Keys of backends as name:sha256-of-key, comma separated',
    default: '',
    secret: true,
    parse: apiKeys,
  },
  ADMIN_TOKEN: { doc: 'Token of operators, 16 characters or more', default: '', secret: true, parse: bearerToken },
  METRICS_TOKEN: {
    doc: 'Token that /metrics asks for when it is set, 16 characters or more',
    default: '',
    secret: true,
    parse: bearerToken,
  },
  WEBHOOK_SECRET: {
    doc: 'Secret that signs incoming webhooks (Standard Webhooks), such as whsec_ and base64',
    default: '',
    secret: true,
    parse: webhookSecret,
  },
  DEBUG_API: {
    doc: 'Whether operators may look into a running server, under /api/debug',
    default: 'false',
    parse: flag,
  },
} as const satisfies VariableTable;
