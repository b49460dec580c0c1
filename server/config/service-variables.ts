import { host, mailAddress, nodeList } from './addresses.ts';
import { certificates } from './certificate.ts';
import { databaseUrl } from './database-url.ts';
import { keyPrefix, redisUrl } from './redis-url.ts';
import { otlpEndpoint, otlpHeaders, ratio } from './otlp.ts';
import { flag, integer, text } from './scalars.ts';
import { anySecret } from './secrets.ts';
import { smtpUrl } from './smtp-url.ts';
import { supabaseKey, supabaseUrl } from './supabase.ts';
import type { VariableTable } from './variable.ts';

export const DATABASE_VARIABLES = {
  DATABASE_URL: {
    doc: 'External Postgres in place of the embedded one, such as postgres://user:password@db.example:5432/tandem',
    default: '',
    secret: true,
    parse: databaseUrl,
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
    doc: 'Supabase project in place of a Postgres, such as https://abcdefgh.supabase.co, when there is no DATABASE_URL',
    default: '',
    parse: supabaseUrl,
  },
  SUPABASE_SERVICE_ROLE_KEY: {
    doc: 'Key of that project for servers: its service_role key, or a secret one (sb_secret_...)',
    default: '',
    secret: true,
    parse: supabaseKey,
  },
} as const satisfies VariableTable;

export const REDIS_VARIABLES = {
  REDIS_URL: {
    doc: 'Redis that several instances share, such as redis://user:password@redis.example:6379/0; rediss:// is encrypted',
    default: '',
    secret: true,
    parse: redisUrl,
  },
  REDIS_HOST: { doc: 'Its host, in place of REDIS_URL', default: '', parse: host },
  REDIS_PORT: { doc: 'Its port; without it 6379', default: '', parse: integer(1, 65_535) },
  REDIS_USERNAME: { doc: 'User of Redis, also in a cluster and behind sentinels', default: '', parse: text(256) },
  REDIS_PASSWORD: { doc: 'Password of Redis', default: '', secret: true, parse: anySecret },
  REDIS_DB: { doc: 'Number of the database in Redis; without it 0', default: '', parse: integer(0, 999_999) },
  REDIS_TLS: {
    doc: 'Whether connections to Redis are encrypted, and its certificate verified',
    default: '',
    parse: flag,
  },
  REDIS_TLS_CA: {
    doc: 'Certificates that sign that of Redis: PEM, or the path of a PEM file',
    default: '',
    parse: certificates,
  },
  REDIS_CLUSTER_NODES: {
    doc: 'Nodes of a Redis Cluster, host:port, comma separated, in place of REDIS_URL',
    default: '',
    parse: nodeList,
  },
  REDIS_SENTINELS: {
    doc: 'Sentinels, host:port, comma separated, in place of REDIS_URL',
    default: '',
    parse: nodeList,
  },
  REDIS_SENTINEL_NAME: { doc: 'Name under which the sentinels know the primary', default: '', parse: text(256) },
  REDIS_KEY_PREFIX: { doc: 'Begin of every key and channel in Redis', default: 'tandem', parse: keyPrefix },
} as const satisfies VariableTable;

export const OUTWARD_VARIABLES = {
  SMTP_URL: {
    doc: 'Mail server for invitations, such as smtps://user:password@mail.example or smtp://mail.example:587',
    default: '',
    secret: true,
    parse: smtpUrl,
  },
  MAIL_FROM: { doc: 'Sender of invitations, such as Tandem <no-reply@example.org>', default: '', parse: mailAddress },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    doc: 'Collector of traces, OTLP over HTTP, such as http://collector.example:4318; without it nothing is traced',
    default: '',
    parse: otlpEndpoint,
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    doc: 'Headers for the collector, such as api-key=secret; comma separated, values percent-encoded',
    default: '',
    secret: true,
    parse: otlpHeaders,
  },
  OTEL_SERVICE_NAME: { doc: 'Name of this service in traces', default: 'tandem', parse: text(256) },
  OTEL_TRACES_SAMPLER_ARG: {
    doc: 'Share of the traces that begin here which is recorded, from 0 to 1',
    default: '1',
    parse: ratio,
  },
} as const satisfies VariableTable;
