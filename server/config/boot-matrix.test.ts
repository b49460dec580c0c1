import { randomBytes } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';
import { LIMIT_VARIABLES } from './limit-variables.ts';
import { readValues } from './values.ts';
import { variableNames, variableOf, VARIABLES, type VariableName } from './variables.ts';

const SECRET = randomBytes(32).toString('base64url');
const CERTIFICATE = rootCertificates[0] ?? '';

/** Texts that the variable takes, with the value that each gives, and texts that it refuses. */
interface Row {
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
}

function durations(least: string, most: string): Row {
  const tooMuch = `${Number.parseInt(most) + 1}${most.replace(/\d+/, '')}`;
  return {
    good: [
      ['2s', 2000],
      ['3m', 180_000],
      ['1h', 3_600_000],
      [least, expect.any(Number)],
      [most, expect.any(Number)],
    ],
    bad: [
      '24',
      '0',
      '1.5h',
      '-1s',
      '+5s',
      '5 m',
      ' 5m',
      '5m ',
      '5M',
      '5min',
      '1e3s',
      '0x5s',
      '05s',
      's',
      '1h30m',
      tooMuch,
    ],
  };
}

const longDuration = durations('1ms', '365d');
const notIntegers = ['0x50', '1e3', ' 80', '80 ', '+5', '-1', '3001abc', '1.0', '007', '1_000', '٣', 'NaN', 'Infinity'];
const notFlags = ['1', '0', 'yes', 'TRUE', 'True', ' true', 'on', 'false,'];
const text: Row = { good: [['acme', 'acme']], bad: [' acme', 'acme\n', 'a\u0000b', 'x'.repeat(257)] };
const flags: Row = {
  good: [
    ['true', true],
    ['false', false],
  ],
  bad: notFlags,
};
const token: Row = {
  good: [['abcdefghijklmnop', 'abcdefghijklmnop']],
  bad: ['abcdefghijklmno', 'abcdefgh ijklmnop', 'abcdefghijklmnop\n', 'abcdefghijklmnöp'],
};
const certificateRow: Row = {
  good: [
    [CERTIFICATE, CERTIFICATE],
    [`${CERTIFICATE}\n${CERTIFICATE}`, expect.any(String)],
  ],
  bad: [
    '/nonexistent/ca.pem',
    '/',
    '/dev/zero',
    CERTIFICATE.replace(/\n.{20}/, '\nAAAA'),
    '-----BEGIN PRIVATE KEY-----',
  ],
};
const nodes: Row = {
  good: [['redis-1:6379,10.0.0.1:7000, [::1]:7001', ['redis-1:6379', '10.0.0.1:7000', '[::1]:7001']]],
  bad: ['redis-1', 'redis-1:6379,', 'redis-1:70000', 'redis://h:1', ':6379', '10.0.0.300:1', '[10.0.0.1]:1'],
};

const ROWS: Record<Exclude<VariableName, keyof typeof LIMIT_VARIABLES>, Row> = {
  NODE_ENV: {
    good: [['test', 'test']],
    bad: ['prod', 'Production', 'staging', ' production'],
  },
  HOST: {
    good: [
      ['0.0.0.0', '0.0.0.0'],
      ['::', '::'],
      ['localhost', 'localhost'],
      ['tandem.example', 'tandem.example'],
    ],
    bad: ['127.0.0.1:3001', '[::1]', 'http://localhost', '1.2.3', '256.1.1.1', 'a b', 'a..b', '-a', '*'],
  },
  PORT: {
    good: [
      ['0', 0],
      ['80', 80],
      ['65535', 65_535],
    ],
    bad: ['abc', '70000', '65536', ...notIntegers],
  },
  PUBLIC_URL: {
    good: [
      ['https://tandem.example', 'https://tandem.example'],
      ['http://192.168.1.20:3001', 'http://192.168.1.20:3001'],
      ['https://Tandem.Example:443/', 'https://tandem.example'],
      ['http://[::1]:3001', 'http://[::1]:3001'],
    ],
    bad: [
      'tandem.example|localhost:3001|//tandem.example|ftp://tandem.example|https://',
      'https:/tandem.example|https://tandem.example/path|https://tandem.example//',
      'https://tandem.example?a=1|https://tandem.example?|https://tandem.example#a',
      'https://me:pw@tandem.example|https://@tandem.example| https://tandem.example',
      'https://tandem.example:70000|https://a b|https://a\\b|javascript:alert(1)',
    ].flatMap((list) => list.split('|')),
  },
  TRUST_PROXY: {
    good: [
      ['0', { kind: 'hops', hops: 0 }],
      ['32', { kind: 'hops', hops: 32 }],
      ['10.0.0.1', { kind: 'networks', networks: ['10.0.0.1'] }],
      [
        '10.0.0.0/8, fd00::/8,2001:db8::1,::ffff:10.0.0.1/104',
        { kind: 'networks', networks: ['10.0.0.0/8', 'fd00::/8', '2001:db8::1', '::ffff:10.0.0.1/104'] },
      ],
    ],
    bad: [
      'true|TRUE|false|loopback|33|-1|1.5|01|1,2|10.0.0.0/33|10.0.0.0/|10.0.0.0/08|10.0.0/8|010.0.0.1',
      '::1/129|::/0|0.0.0.0/0|10.0.0.1,|10.0.0.1;10.0.0.2|fe80::1%eth0|1e1|0x1|*',
    ].flatMap((list) => list.split('|')),
  },
  CORS_ORIGINS: {
    good: [
      ['*', '*'],
      ['https://a.example', ['https://a.example']],
      ['https://a.example, http://localhost:5173', ['https://a.example', 'http://localhost:5173']],
      ['HTTPS://A.example:443,https://a.example', ['https://a.example']],
      ['http://[::1]:8080', ['http://[::1]:8080']],
    ],
    bad: [
      'a.example|localhost:5173|null|https://a.example/|https://a.example/app|https://a.example?x',
      'https://me:pw@a.example|https://*.a.example|*,https://a.example|https://a.example,',
      'https://a.example https://b.example|ftp://a.example|https://|https://a.example:99999',
      'https:a.example',
    ].flatMap((list) => list.split('|')),
  },
  SOCKET_TRANSPORTS: {
    good: [
      ['websocket', ['websocket']],
      ['websocket,polling', ['websocket', 'polling']],
    ],
    bad: ['polling', 'polling,websocket', 'websocket, polling', 'WebSocket', 'webtransport', 'websocket,'],
  },
  DRAIN_TIMEOUT: durations('0s', '1h'),
  DRAIN_DELAY: durations('0s', '1h'),
  DATA_DIR: {
    good: [['/var/lib/tandem', '/var/lib/tandem']],
    bad: ['~', '~/tandem', '/var/\u0000'],
  },
  CODE_LENGTH: {
    good: [
      ['6', 6],
      ['12', 12],
    ],
    bad: ['5', '13', ...notIntegers],
  },
  CODE_TTL: { ...longDuration, bad: [...longDuration.bad, '0s'] },
  PARTICIPANT_GRACE: durations('0s', '365d'),
  SESSION_IDLE_WARNING: { ...longDuration, bad: [...longDuration.bad, '0s'] },
  SESSION_IDLE_TIMEOUT: durations('10ms', '365d'),
  SESSION_TTL: { ...longDuration, bad: [...longDuration.bad, '0s'] },
  MESSAGE_MAX_BYTES: {
    good: [
      ['1', 1],
      ['49152', 49_152],
    ],
    bad: ['0', '49153', '16k', ...notIntegers],
  },
  HISTORY_HOT_MESSAGES: {
    good: [
      ['1', 1],
      ['100000', 100_000],
    ],
    bad: ['0', '100001', ...notIntegers],
  },
  MESSAGE_RETENTION: durations('1ms', '3650d'),
  RETRY_HORIZON: longDuration,
  DURABILITY: {
    good: ['auto', 'archived', 'redis_always', 'redis_everysec', 'redis_memory'].map(
      (level) => [level, level] as const,
    ),
    bad: ['Auto', 'redis', 'fsync', 'archived '],
  },
  JWT_SECRET: {
    good: [
      [SECRET, [SECRET]],
      ['x'.repeat(32), ['x'.repeat(32)]],
      [`${SECRET},${'ü'.repeat(16)}`, [SECRET, 'ü'.repeat(16)]],
    ],
    bad: [
      'x'.repeat(31),
      'ü'.repeat(15),
      `${SECRET},`,
      `,${SECRET}`,
      `${SECRET}, ${SECRET}`,
      `${SECRET}\n`,
      `${SECRET},${SECRET},${SECRET}`,
    ],
  },
  JWT_JWKS_URL: {
    good: [['https://id.example/jwks', expect.any(String)]],
    bad: ['id.example/jwks', 'file:///etc/passwd'],
  },
  JWT_ISSUER: text,
  JWT_AUDIENCE: text,
  ACCESS_TOKEN_TTL: { ...durations('1s', '365d'), bad: ['0s', '999ms', '15'] },
  REFRESH_TOKEN_TTL: { ...durations('1s', '365d'), bad: ['0s', '999ms', '7'] },
  AUTH_REQUIRED: flags,
  REGISTRATION_OPEN: flags,
  API_KEYS: {
    good: [[`shop:${'a1'.repeat(32)}, till:${'0F'.repeat(32)}`, expect.any(Array)]],
    bad: [
      'shop',
      'shop:',
      `shop:${'a1'.repeat(31)}`,
      `shop:${'g1'.repeat(32)}`,
      `:${'a1'.repeat(32)}`,
      `shop:${'a1'.repeat(32)},shop:${'b2'.repeat(32)}`,
      `shop:${'a1'.repeat(32)},`,
    ],
  },
  ADMIN_TOKEN: token,
  METRICS_TOKEN: token,
  WEBHOOK_SECRET: {
    good: [
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      ['v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      ['a-text-of-more-than-sixteen', 'a-text-of-more-than-sixteen'],
    ],
    bad: ['fifteen-letters', 'whsec_=', 'whsec_c2hvcnQ=', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS', 'sixteen letters,'],
  },
  DEBUG_API: flags,
  LOG_LEVEL: {
    good: [
      ['error', 'error'],
      ['WARN', 'warn'],
      ['Info', 'info'],
      ['dEbUg', 'debug'],
    ],
    bad: ['loud', 'warning', 'trace', ' info', '3'],
  },
  LOG_DIR: {
    good: [
      ['-', null],
      ['/var/log/tandem', '/var/log/tandem'],
    ],
    bad: ['~/logs', 'a\u0000'],
  },
  LOG_RETENTION_DAYS: {
    good: [
      ['1', 1],
      ['3650', 3650],
    ],
    bad: ['0', '3651', '14d', ...notIntegers],
  },
  LOG_FORMAT: {
    good: [
      ['pretty', 'pretty'],
      ['json', 'json'],
    ],
    bad: ['JSON', 'text', 'json '],
  },
  RATE_LIMIT_FAIL_POLICY: {
    good: [
      ['memory', 'memory'],
      ['closed', 'closed'],
      ['open', 'open'],
    ],
    bad: ['Memory', 'fail', 'true'],
  },
  DATABASE_URL: {
    good: [
      ['postgres://u:p@h:5432/d', expect.objectContaining({ host: 'h', port: 5432, user: 'u', database: 'd' })],
      ['postgresql:///d?user=u&host=/run/postgresql', expect.objectContaining({ host: '/run/postgresql', user: 'u' })],
    ],
    bad: ['mysql://u@h/d', 'h:5432', 'postgres://', 'postgres://u@h:99999/d', 'postgres://u@h/d ', 'postgres://h/d'],
  },
  DATABASE_SSL: flags,
  DATABASE_SSL_CA: certificateRow,
  DATABASE_POOL_MIN: {
    good: [
      ['0', 0],
      ['1000', 1000],
    ],
    bad: ['1001', ...notIntegers],
  },
  DATABASE_POOL_MAX: {
    good: [
      ['1', 1],
      ['1000', 1000],
    ],
    bad: ['0', '1001', ...notIntegers],
  },
  SUPABASE_URL: {
    good: [
      ['https://x.supabase.co', 'https://x.supabase.co'],
      ['HTTPS://X.supabase.co/', 'https://x.supabase.co'],
      ['http://kong:8000/supabase/', 'http://kong:8000/supabase'],
    ],
    bad: [
      'x.supabase.co',
      'postgres://x',
      'https://',
      'https://me:hunter@x.supabase.co',
      'https://x.supabase.co?a=b',
      'https://x.supabase.co/#a',
      'https://x.supabase.co/rest/v1/',
      'https://x y',
    ],
  },
  SUPABASE_SERVICE_ROLE_KEY: {
    good: [
      ['sb_secret_abcdefgh', 'sb_secret_abcdefgh'],
      ['a.b.c', 'a.b.c'],
      [jwtOf({ role: 'service_role' }), jwtOf({ role: 'service_role' })],
    ],
    bad: ['sb_publishable_abcdefgh', jwtOf({ role: 'anon' }), 'key\nkey', 'a b', 'schlüssel'],
  },
  REDIS_URL: {
    good: [
      ['redis://h', { host: 'h', port: 6379, username: null, password: null, database: null, isEncrypted: false }],
      [
        'rediss://u:p%40@[::1]:7000/2',
        { host: '::1', port: 7000, username: 'u', password: 'p@', database: 2, isEncrypted: true },
      ],
      ['redis://:only@10.0.0.1/', expect.objectContaining({ host: '10.0.0.1', username: null, password: 'only' })],
    ],
    bad: [
      'http://h|valkey://h|h:6379|redis://|redis:h|unix:///tmp/redis.sock|redis://h:70000|redis://:p@|redis://h/a',
      'redis://h/01|redis://h/0/1|redis://h?db=1|redis://h#1|redis://u@h|redis://u:%@h|redis://h |redis://1.2.3.999',
      'redis+cluster://h|redis://h1,h2',
    ].flatMap((list) => list.split('|')),
  },
  REDIS_HOST: {
    good: [
      ['h', 'h'],
      ['::1', '::1'],
    ],
    bad: [' h', 'h:6379', 'redis://h', '1.2.3'],
  },
  REDIS_PORT: { good: [['6379', 6379]], bad: ['0', '65536', 'tcp://10.0.0.1:6379', ...notIntegers] },
  REDIS_USERNAME: { good: [['app', 'app']], bad: ['app\n'] },
  REDIS_PASSWORD: { good: [['anything at all', expect.any(String)]], bad: [] },
  REDIS_DB: { good: [['0', 0]], bad: ['1000000', ...notIntegers] },
  REDIS_TLS: flags,
  REDIS_TLS_CA: certificateRow,
  REDIS_CLUSTER_NODES: nodes,
  REDIS_SENTINELS: nodes,
  REDIS_SENTINEL_NAME: { good: [['primary', 'primary']], bad: ['primary '] },
  REDIS_KEY_PREFIX: {
    good: [['eu.tandem:2', 'eu.tandem:2']],
    bad: ['tandem\n', 'x'.repeat(65), '{tandem}', 'a b', 'a*'],
  },
  SMTP_URL: {
    good: [
      ['smtp://h:25', 'smtp://h:25'],
      ['smtps://u:p%25@h/', 'smtps://u:p%25@h/'],
      ['smtp://h?requireTLS=true&name=me', 'smtp://h?requireTLS=true&name=me'],
    ],
    bad: [
      'http://h',
      'h:25',
      'smtp://',
      'smtp://h:0',
      'smtp://h/path',
      'smtp://u:p%zz@h',
      'smtp://h?pool=true',
      'smtp://h?requireTLS=1',
    ],
  },
  MAIL_FROM: {
    good: [
      ['tandem@example.org', 'tandem@example.org'],
      ['Tandem <no-reply@example.org>', 'Tandem <no-reply@example.org>'],
    ],
    bad: [
      'tandem',
      '@example.org',
      'a@b@c',
      'a@example.org,b@example.org',
      'a@example.org\r\nBcc: b@example.org',
      'T <a@example.org',
      'a@[10.0.0.1]',
    ],
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    good: [
      ['http://collector:4318', 'http://collector:4318'],
      ['https://otlp.example/otlp/', 'https://otlp.example/otlp'],
    ],
    bad: [
      'collector:4318',
      'grpc://collector',
      'http://',
      'http://me:secret@collector:4318',
      'http://collector/?key=1',
      'http://collector:4318/v1/traces',
    ],
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    good: [
      ['api-key=secret', { 'api-key': 'secret' }],
      ['Authorization=Bearer%20secret, x-team=a%2Cb==', { authorization: 'Bearer secret', 'x-team': 'a,b==' }],
    ],
    bad: ['secret', 'api-key=', '=secret', 'api key=secret', 'api-key=secret,', 'api-key=%zz', 'api-key=a%0d%0ab'],
  },
  OTEL_SERVICE_NAME: { good: [['pairing', 'pairing']], bad: [' pairing', 'a\nb'] },
  OTEL_TRACES_SAMPLER_ARG: {
    good: [
      ['0', 0],
      ['0.01', 0.01],
      ['.5', 0.5],
      ['1.0', 1],
    ],
    bad: ['-1', '1.1', '1e-2', '50%', '0,5', ''.padEnd(3, ' ')],
  },
};

function jwtOf(claims: Readonly<Record<string, string>>): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

function limitRow(name: string): Row {
  if (name.endsWith('_POINTS'))
    return {
      good: [
        ['0', 0],
        ['1000000', 1_000_000],
      ],
      bad: ['1000001', '10/minutes', ...notIntegers],
    };
  const least = name.endsWith('_DURATION') ? 1 : 0;
  const bad = ['60s', '10/minutes', '31536001', ...notIntegers, ...(least === 1 ? ['0'] : [])];
  return {
    good: [
      [String(least), least],
      ['86400', 86_400],
    ],
    bad,
  };
}

function rowOf(name: VariableName): Row {
  return name in LIMIT_VARIABLES ? limitRow(name) : ROWS[name as keyof typeof ROWS];
}

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe.each(variableNames())('%s', (name) => {
  const variable = variableOf(name);
  const { good, bad } = rowOf(name);

  it('takes good values', () => {
    for (const [value, expected] of good) {
      const { values, faults } = readValues([{ [name]: value }]);
      expect({ value, faults }).toEqual({ value, faults: [] });
      expect(values[name]).toEqual(expected);
    }
  });

  it('refuses bad values in lines of its own', () => {
    for (const value of bad) {
      const lines = readValues([{ [name]: value }]).faults;
      expect({ value, faults: lines.length > 0 }).toEqual({ value, faults: true });
      expect(lines.every((line) => line.startsWith(`${name}: received `) && line.includes('; expected '))).toBe(true);
    }
  });

  it('never shows a secret', () => {
    if (variable?.secret !== true) return;
    for (const value of [...good.map(([text]) => text), ...bad].filter((candidate) => candidate.length > 3)) {
      if (value.endsWith('://')) continue; // a scheme alone, which the fault names as expected
      expect(faultsOf({ [name]: value, PORT: 'x' }).join('\n')).not.toContain(value.trim());
    }
  });
});

it('every variable of the table is in the matrix, and no other', () => {
  const names = [...Object.keys(ROWS), ...Object.keys(LIMIT_VARIABLES)];
  expect(new Set(names)).toEqual(new Set(Object.keys(VARIABLES)));
});

describe('secrets in faults', () => {
  it('no part of any secret occurs, not even in pieces', () => {
    const planted = Object.fromEntries(
      variableNames()
        .filter((name) => variableOf(name)?.secret)
        .map((name) => [
          name,
          `planted ${randomBytes(6).toString('hex')},planted,${randomBytes(6).toString('hex')}:x@y`,
        ]),
    );
    expect(Object.keys(planted)).toHaveLength(11);
    const output = faultsOf({ ...planted, NODE_ENV: 'production' });
    expect(output.length).toBeGreaterThanOrEqual(11);
    const pieces = Object.values(planted)
      .flatMap((value) => value.split(/[ ,:]/))
      .filter((piece) => piece.length > 3);
    expect(pieces.filter((piece) => output.join('\n').includes(piece))).toEqual([]);
  });
});
