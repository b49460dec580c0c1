import { LIMITS, type LimitName } from '../protocol/limits.ts';
import type { Durability } from '../protocol/session.ts';
import { crossFaults } from './config/cross-faults.ts';
import type { DatabaseAddress } from './config/database-url.ts';
import { limitNames, limitVariable } from './config/limit-variables.ts';
import { toRedis, type RedisConfig } from './config/redis-config.ts';
import type { ApiKeyHash } from './config/secrets.ts';
import { settle } from './config/settle.ts';
import { givenNames, readEnvFile, type Source } from './config/sources.ts';
import { judgeUnknownNames } from './config/unknown-names.ts';
import { readValues } from './config/values.ts';
import type { Values } from './config/variables.ts';
import type { TrustProxy } from './limits/client-ip.ts';
import type { LimitRule, LimitRules } from './limits/limit-rules.ts';

export { meetsDurability } from './config/durability.ts';
export type { RedisConfig } from './config/redis-config.ts';

/** Everything that an operator decides, parsed and frozen. Durations are milliseconds, paths absolute. */
export interface Config {
  readonly nodeEnv: 'development' | 'production' | 'test';
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** An origin, without a slash at its end. */
  readonly publicUrl: string | null;
  readonly trustProxy: TrustProxy;
  /** Besides the server's own origin, which always may connect. */
  readonly corsOrigins: '*' | readonly string[];
  readonly socketTransports: readonly ('websocket' | 'polling')[];
  readonly dataDir: string;
  readonly sessions: {
    readonly codeLength: number;
    readonly codeTtlMs: number;
    /** 0: a participant that loses its connection leaves at once. */
    readonly graceMs: number;
    /** Always below `idleTimeoutMs`. */
    readonly idleWarningMs: number;
    readonly idleTimeoutMs: number;
    readonly ttlMs: number;
  };
  readonly messages: {
    readonly maxBytes: number;
    readonly hotMessages: number;
    readonly retentionMs: number;
    readonly retryHorizonMs: number;
  };
  readonly durability: 'auto' | Durability;
  readonly limits: LimitRules;
  readonly rateLimitFailPolicy: 'memory' | 'closed' | 'open';
  readonly auth: {
    /** The first signs, all verify. Empty: none was given, which only development allows. */
    readonly jwtSecrets: readonly string[];
    readonly issuer: string;
    readonly audience: string;
    readonly accessTokenTtlMs: number;
    readonly refreshTokenTtlMs: number;
    /** Keys of a foreign issuer, which `issuer` and `audience` name then. */
    readonly jwksUrl: string | null;
    /** A Supabase project whose users may connect. */
    readonly supabaseUrl: string | null;
    readonly required: boolean;
    readonly registrationOpen: boolean;
  };
  /** The embedded Postgres in `dataDir`, the one that `DATABASE_URL` names, or a Supabase project over its Data API. */
  readonly database: (
    | { readonly kind: 'embedded' }
    | ({ readonly kind: 'external' } & DatabaseAddress)
    | { readonly kind: 'supabase'; readonly url: string; readonly serviceRoleKey: string }
  ) & {
    /** Whether the connection to an external one is encrypted, and its certificate verified. */
    readonly ssl: boolean;
    /** Certificates in PEM. */
    readonly sslCa: string | null;
    readonly poolMin: number;
    readonly poolMax: number;
  };
  /** Null: the state is this process's own. */
  readonly redis: RedisConfig | null;
  /** Invitations are sent when neither is null. */
  readonly mail: { readonly url: string | null; readonly from: string | null };
  /** Null: no webhook is signed rightly. */
  readonly webhookSecret: string | null;
  /** Of backends. */
  readonly apiKeys: readonly ApiKeyHash[];
  readonly adminToken: string | null;
  readonly metricsToken: string | null;
  readonly debugApi: boolean;
  readonly log: {
    readonly level: 'error' | 'warn' | 'info' | 'debug';
    /** Null: standard output alone. */
    readonly dir: string | null;
    readonly retentionDays: number;
    readonly format: 'pretty' | 'json';
  };
  /** Null: nothing is traced. */
  readonly tracing: {
    /** Base URL of the collector. */
    readonly endpoint: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly serviceName: string;
    /** Share of the traces that begin here which is recorded, 0 to 1. */
    readonly ratio: number;
  } | null;
  readonly drain: { readonly timeoutMs: number; readonly delayMs: number };
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Turns the environment into the configuration, or into all of its faults, one line each. `envFile` is a file of
 * NAME=value lines that the environment wins over; it may be missing. Besides that file, the files that `*_FILE` and
 * `DATABASE_SSL_CA` name are read, and nothing is written. No line, fault or warning, holds any part of a secret.
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  { envFile }: { envFile?: string } = {},
): LoadedConfig {
  const file = envFile === undefined ? { variables: {}, faults: [] } : readEnvFile(envFile);
  const sources: readonly Source[] = [env, file.variables];
  const reading = readValues(sources);
  const unknown = judgeUnknownNames(givenNames(sources));
  const faults = [...file.faults, ...reading.faults, ...unknown.faults, ...crossFaults(reading)];
  if (faults.length > 0) return { ok: false, faults };
  // Without a fault, no variable was left out.
  const { values, warnings } = settle(reading.values as Values, reading.given);
  return { ok: true, config: deepFreeze(toConfig(values)), warnings: [...unknown.warnings, ...warnings] };
}

function toConfig(values: Values): Config {
  return {
    nodeEnv: values.NODE_ENV,
    host: values.HOST,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL,
    trustProxy: values.TRUST_PROXY,
    corsOrigins: values.CORS_ORIGINS ?? [],
    socketTransports: values.SOCKET_TRANSPORTS,
    dataDir: values.DATA_DIR,
    sessions: {
      codeLength: values.CODE_LENGTH,
      codeTtlMs: values.CODE_TTL,
      graceMs: values.PARTICIPANT_GRACE,
      idleWarningMs: values.SESSION_IDLE_WARNING,
      idleTimeoutMs: values.SESSION_IDLE_TIMEOUT,
      ttlMs: values.SESSION_TTL,
    },
    messages: {
      maxBytes: values.MESSAGE_MAX_BYTES,
      hotMessages: values.HISTORY_HOT_MESSAGES,
      retentionMs: values.MESSAGE_RETENTION,
      retryHorizonMs: values.RETRY_HORIZON,
    },
    durability: values.DURABILITY,
    limits: toLimits(values),
    rateLimitFailPolicy: values.RATE_LIMIT_FAIL_POLICY,
    auth: {
      jwtSecrets: values.JWT_SECRET ?? [],
      issuer: values.JWT_ISSUER,
      audience: values.JWT_AUDIENCE,
      accessTokenTtlMs: values.ACCESS_TOKEN_TTL,
      refreshTokenTtlMs: values.REFRESH_TOKEN_TTL,
      jwksUrl: values.JWT_JWKS_URL,
      supabaseUrl: values.SUPABASE_URL,
      required: values.AUTH_REQUIRED,
      registrationOpen: values.REGISTRATION_OPEN,
    },
    database: {
      ...toDatabase(values),
      ssl: values.DATABASE_SSL,
      sslCa: values.DATABASE_SSL_CA,
      poolMin: values.DATABASE_POOL_MIN,
      poolMax: values.DATABASE_POOL_MAX,
    },
    redis: toRedis(values),
    mail: { url: values.SMTP_URL, from: values.MAIL_FROM },
    webhookSecret: values.WEBHOOK_SECRET,
    apiKeys: values.API_KEYS ?? [],
    adminToken: values.ADMIN_TOKEN,
    metricsToken: values.METRICS_TOKEN,
    debugApi: values.DEBUG_API,
    log: {
      level: values.LOG_LEVEL,
      dir: values.LOG_DIR,
      retentionDays: values.LOG_RETENTION_DAYS,
      format: values.LOG_FORMAT,
    },
    tracing: toTracing(values),
    drain: { timeoutMs: values.DRAIN_TIMEOUT, delayMs: values.DRAIN_DELAY },
  };
}

function toDatabase({ DATABASE_URL: address, SUPABASE_URL: url, SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey }: Values) {
  if (address !== null) return { kind: 'external' as const, ...address };
  // Of the two there is none or both.
  if (url === null || serviceRoleKey === null) return { kind: 'embedded' as const };
  return { kind: 'supabase' as const, url, serviceRoleKey };
}

function toTracing(values: Values): Config['tracing'] {
  const endpoint = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === null) return null;
  return {
    endpoint,
    headers: values.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    serviceName: values.OTEL_SERVICE_NAME,
    ratio: values.OTEL_TRACES_SAMPLER_ARG,
  };
}

function toLimits(values: Values): LimitRules {
  const entries = limitNames().map((name): [LimitName, LimitRule] => [
    name,
    {
      name,
      scope: LIMITS[name].scope,
      points: values[limitVariable(name, 'POINTS')],
      durationMs: values[limitVariable(name, 'DURATION')] * 1000,
      blockMs: values[limitVariable(name, 'BLOCK')] * 1000,
    },
  ]);
  return Object.fromEntries(entries) as Record<LimitName, LimitRule>; // fromEntries forgets which names it was given
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
