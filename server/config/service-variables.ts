import { mailAddress, nodeList, url } from './addresses.ts';
import { certificates } from './certificate.ts';
import { flag, integer, text } from './scalars.ts';
import { anySecret } from './secrets.ts';
import type { VariableTable } from './variable.ts';

const EXTERNAL_DATABASE = 'an external Postgres is';
const SUPABASE = 'Supabase is';
const REDIS = 'Redis is';
const MAIL = 'mail is';
const TRACING = 'tracing is';

export const DATABASE_VARIABLES = {
  DATABASE_URL: {
    doc: 'External Postgres in place of the embedded one. Not available in this version',
    default: '',
    secret: true,
    missingPart: EXTERNAL_DATABASE,
    parse: url('postgres', 'postgresql'),
  },
  DATABASE_SSL: {
    doc: 'Whether the connection to an external Postgres is encrypted, and its certificate verified',
    default: 'true',
    parse: flag,
  },
  DATABASE_SSL_CA: {
    doc: 'Certificates that sign that of the external Postgres: PEM, or the path of a PEM file',
    default: '',
    parse: certificates,
  },
  DATABASE_POOL_MIN: { doc: 'Connections to Postgres that stay open', default: '2', parse: integer(0, 1000) },
  DATABASE_POOL_MAX: { doc: 'Most connections to Postgres', default: '10', parse: integer(1, 1000) },
  SUPABASE_URL: {
    doc: 'Project whose access tokens are accepted. Not available in this version',
    default: '',
    missingPart: SUPABASE,
    parse: url('https', 'http'),
  },
  SUPABASE_SERVICE_ROLE_KEY: {
    doc: 'Key with which the server writes to that project. Not available in this version',
    default: '',
    secret: true,
    missingPart: SUPABASE,
    parse: anySecret,
  },
} as const satisfies VariableTable;

export const REDIS_VARIABLES = {
  REDIS_URL: {
    doc: 'Redis that several instances share, redis:// or rediss://. Not available in this version, as all of REDIS_*',
    default: '',
    secret: true,
    missingPart: REDIS,
    parse: url('redis', 'rediss'),
  },
  REDIS_HOST: { doc: 'Its host, in place of REDIS_URL', default: '', missingPart: REDIS, parse: text(253) },
  REDIS_PORT: { doc: 'Its port', default: '', missingPart: REDIS, parse: integer(1, 65_535) },
  REDIS_USERNAME: { doc: 'Its user', default: '', missingPart: REDIS, parse: text(256) },
  REDIS_PASSWORD: { doc: 'Its password', default: '', secret: true, missingPart: REDIS, parse: anySecret },
  REDIS_DB: { doc: 'Number of its database', default: '', missingPart: REDIS, parse: integer(0, 1_000_000) },
  REDIS_TLS: { doc: 'Whether its connection is encrypted', default: '', missingPart: REDIS, parse: flag },
  REDIS_TLS_CA: {
    doc: 'Certificates that sign its certificate: PEM, or the path of a PEM file',
    default: '',
    missingPart: REDIS,
    parse: certificates,
  },
  REDIS_CLUSTER_NODES: {
    doc: 'Nodes of a Redis Cluster, host:port, comma separated',
    default: '',
    missingPart: REDIS,
    parse: nodeList,
  },
  REDIS_SENTINELS: { doc: 'Sentinels, host:port, comma separated', default: '', missingPart: REDIS, parse: nodeList },
  REDIS_SENTINEL_NAME: {
    doc: 'Name under which the sentinels know the primary',
    default: '',
    missingPart: REDIS,
    parse: text(256),
  },
  REDIS_KEY_PREFIX: { doc: 'Begin of every key', default: 'tandem', missingPart: REDIS, parse: text(64) },
} as const satisfies VariableTable;

export const OUTWARD_VARIABLES = {
  SMTP_URL: {
    doc: 'Mail server for invitations, smtp:// or smtps://. Not available in this version',
    default: '',
    secret: true,
    missingPart: MAIL,
    parse: url('smtp', 'smtps'),
  },
  MAIL_FROM: { doc: 'Sender of invitations', default: '', parse: mailAddress },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    doc: 'Collector of traces. Not available in this version, as all of OTEL_*',
    default: '',
    missingPart: TRACING,
    parse: url('http', 'https'),
  },
} as const satisfies VariableTable;

/** Variables that other programs define under these names too: whichever is set, its part is not in this version. */
export const MISSING_FAMILIES = [
  { prefix: 'REDIS_', missingPart: REDIS },
  { prefix: 'SUPABASE_', missingPart: SUPABASE },
  { prefix: 'OTEL_', missingPart: TRACING },
] as const;
