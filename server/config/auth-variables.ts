import { url } from './addresses.ts';
import { refuse, type Parse } from './parsed.ts';
import { duration, flag, text } from './scalars.ts';
import { anySecret, apiKeys, bearerToken, jwtSecrets } from './secrets.ts';
import type { VariableTable } from './variable.ts';

/** A switch whose feature is not in this version: `false` is the truth, `true` a fault. */
function switchedOff(part: string): Parse<boolean> {
  return (value, context) => {
    const outcome = flag(value, context);
    if (!outcome.ok || !outcome.value) return outcome;
    return refuse({ expected: `false, because ${part} not available in this version`, advice: 'remove it' });
  };
}

export const AUTH_VARIABLES = {
  JWT_SECRET: {
    doc: 'Secret that signs access tokens, 32 bytes or more; a second one after a comma only verifies; required in production',
    default: '',
    secret: true,
    requiredInProduction: true,
    parse: jwtSecrets,
  },
  JWT_JWKS_URL: {
    doc: 'Keys of a foreign issuer of access tokens. Not available in this version',
    default: '',
    missingPart: 'tokens of a foreign issuer are',
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
    doc: 'Whether connections need an access token; true is not available in this version',
    default: 'false',
    parse: switchedOff('signing in is'),
  },
  REGISTRATION_OPEN: { doc: 'Whether anyone may register', default: 'true', parse: flag },
  API_KEYS: {
    doc: 'Keys of backends as name:sha256-of-key, comma separated. Not available in this version',
    default: '',
    secret: true,
    missingPart: 'the interface for backends is',
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
    doc: 'Secret that signs incoming webhooks. Not available in this version',
    default: '',
    secret: true,
    missingPart: 'incoming webhooks are',
    parse: anySecret,
  },
  DEBUG_API: {
    doc: 'Whether operators may look into a running server; true is not available in this version',
    default: 'false',
    parse: switchedOff('the debug interface is'),
  },
} as const satisfies VariableTable;
