/** What Dockerfile, docker-compose.yml and deploy/ say, as far as it can be held to something without a container engine. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { variableNames } from '../server/config/variables.ts';
import { ajv, faultsOf, isKnown, read, root, secondsOf, secret } from './support/deploy-files.ts';
import { nginxArguments, renderNginx } from './support/nginx.ts';
import { promtool } from './support/promtool.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tandem-deploy-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const dockerfile = read('Dockerfile');
const [, , lastStage = ''] = dockerfile.split(/^FROM /m).slice(1);

describe('Dockerfile', () => {
  it('copies what there is, and what .dockerignore lets through', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) =>
      names.split(' '),
    );
    const passed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(copied.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
    expect([...new Set(copied)].sort()).toEqual(passed.map((line) => line.slice(1)).sort());
    expect(read('.dockerignore').split('\n')).toEqual(expect.arrayContaining(['*', '**/.env', '**/node_modules']));
  });

  it('makes an image of an exact Node.js, without what only the build needs, that is not run by root', () => {
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    expect(new Set(images)).toEqual(new Set([expect.stringMatching(/^node:24\.\d+-bookworm-slim$/)]));
    expect(dockerfile).toContain('npm ci --ignore-scripts --omit=dev');
    expect(lastStage).not.toContain('npm ');
    expect(lastStage).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(lastStage).toMatch(/^STOPSIGNAL SIGTERM$/m);
    // The build makes the file: scripts/build.js compiles server/ into dist/server/.
    expect(JSON.parse(/^CMD (\[.*\])$/m.exec(lastStage)?.[1] ?? '[]')).toEqual(['node', 'dist/server/main.js']);
    expect(existsSync(path.join(root, 'server/main.ts'))).toBe(true);
  });

  it('sets variables that the server knows, and asks its own port for its health', () => {
    const pairs = (/^ENV (.+)$/m.exec(lastStage)?.[1] ?? '').split(' ').map((pair) => pair.split('='));
    const environment = Object.fromEntries(pairs) as Record<string, string>; // Each is NAME=value.
    expect(Object.keys(environment).filter((name) => !isKnown(name))).toEqual([]);
    expect(faultsOf({ ...environment, JWT_SECRET: secret() })).toEqual([]);
    expect(lastStage).toContain(`EXPOSE ${environment['PORT'] ?? ''}\n`);
    const health = /^ +CMD (\["node", "-e", .*\])$/m.exec(lastStage)?.[1] ?? '[]';
    const [, , script = ''] = z.array(z.string()).parse(JSON.parse(health));
    // Nobody listens: a script that cannot run would not end with 1 and silence.
    const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env: { PORT: '1' }, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
  });
});

/** What the compose file decides and .env cannot change, and why. */
const FIXED_IN_COMPOSE: Readonly<Record<string, string>> = {
  NODE_ENV: 'of the image',
  HOST: 'of the image',
  PORT: 'of the image; nginx, Prometheus and the health check ask there',
  DATA_DIR: 'of the image; there is no embedded database',
  TRUST_PROXY: 'the address of the nginx beside it',
  SOCKET_TRANSPORTS: 'polling needs a balancer that is sticky',
  DRAIN_DELAY: 'the grace period is made for it',
  DRAIN_TIMEOUT: 'likewise',
  LOG_DIR: 'the file system is read-only',
  LOG_RETENTION_DAYS: 'there are no log files',
  DURABILITY: 'what the Redis beside it is set up for',
  DATABASE_URL: 'the Postgres beside it',
  DATABASE_SSL: 'likewise',
  DATABASE_SSL_CA: 'likewise',
  SUPABASE_SERVICE_ROLE_KEY: 'likewise; SUPABASE_URL is there for access tokens',
  REDIS_URL: 'the Redis beside it',
  REDIS_KEY_PREFIX: 'stands in its access list',
  ...Object.fromEntries(
    ['HOST', 'PORT', 'USERNAME', 'PASSWORD', 'DB', 'TLS', 'TLS_CA', 'CLUSTER_NODES', 'SENTINELS', 'SENTINEL_NAME'].map(
      (end) => [`REDIS_${end}`, 'another way to Redis than REDIS_URL'],
    ),
  ),
};

const Service = z.looseObject({
  image: z.string(),
  environment: z.record(z.string(), z.string()).default({}),
  entrypoint: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  mem_limit: z.string().default(''),
  stop_grace_period: z.string().optional(),
  extra_hosts: z.array(z.string()).default([]),
  networks: z.union([z.array(z.string()), z.record(z.string(), z.object({ ipv4_address: z.string().optional() }))]),
});

describe('docker-compose.yml', () => {
  const text = read('docker-compose.yml');
  const compose: unknown = parse(text, { merge: true });
  const services = z.object({ services: z.record(z.string(), Service) }).parse(compose).services;
  const service = (name: string) => services[name] ?? Service.parse({});
  const instances = ['tandem-1', 'tandem-2'];

  /** As compose would, with a secret wherever one is demanded. */
  function interpolated(value: string): string {
    return value
      .replaceAll(/\$\{\w+:\?[^}]+\}/g, secret())
      .replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
      .replaceAll('$$', () => '$');
  }

  it('keeps the specification', () => {
    const isValid = ajv.compile(z.looseObject({}).parse(JSON.parse(read('test/support/schemas/compose.json'))));
    expect({ valid: isValid(compose), errors: isValid.errors }).toEqual({ valid: true, errors: null });
  });

  it('pins and confines every service', () => {
    for (const [name, { image, ...rest }] of Object.entries(services)) {
      const confined = { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] };
      expect({ name, ...rest }).toMatchObject({ ...confined, mem_limit: expect.any(String) });
      if (!image.startsWith('tandem:')) expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?(-|$)/);
    }
  });

  it('takes secrets from outside, and says which one is missing', () => {
    const names = [...text.matchAll(/(?<!\$)\$\{(\w+)(.*?)\}/g)].map(([, name = '', rest = '']) => ({ name, rest }));
    expect(names.filter(({ rest }) => !/^:[-?]/.test(rest))).toEqual([]);
    for (const { name, rest } of names.filter((each) => /(PASSWORD|JWT_SECRET|_TOKEN)$/.test(each.name))) {
      expect(`${name}${rest}`).toBe(`${name}:?is missing in .env, see docs/deployment.md`);
      expect(read('docs/deployment.md')).toContain(name);
    }
  });

  it('starts servers that understand all that they are told', () => {
    for (const name of [...instances, 'migrate']) {
      const environment = Object.entries(service(name).environment);
      expect(environment.filter(([variable]) => !isKnown(variable))).toEqual([]);
      const inherited = { NODE_ENV: 'production' }; // Of the image.
      const set = Object.fromEntries(environment.map(([variable, value]) => [variable, interpolated(value)]));
      expect(faultsOf({ ...inherited, ...set })).toEqual([]);
    }
  });

  it('passes every variable on that it does not decide itself', () => {
    for (const name of [...instances, 'migrate']) {
      const { environment } = service(name);
      const passed = variableNames().filter((variable) =>
        new RegExp(`^\\$\\{${variable}:(-|\\?[^}]+)\\}$`).test(environment[variable] ?? ''),
      );
      expect([...passed, ...Object.keys(FIXED_IN_COMPOSE)].sort()).toEqual([...variableNames()].sort());
    }
  });

  it('shows each instance by itself to this machine alone, where the runbooks look for it', () => {
    const ports = instances.map((name) => service(name).ports.map(interpolated));
    expect(ports).toEqual([['127.0.0.1:3011:3001'], ['127.0.0.1:3012:3001']]);
    expect(read('docs/operations.md')).toContain('TANDEM=http://127.0.0.1:3011\n');
  });

  it('gives nginx the memory that all the connections take which it allows', () => {
    const nginx = read('deploy/nginx/nginx.conf');
    const figure = (name: string) => Number(new RegExp(`^ *${name} (\\d+);$`, 'm').exec(nginx)?.[1]);
    const sockets = (figure('worker_processes') * figure('worker_connections')) / 2;
    const limitMb = Number(/^(\d+)m$/.exec(service('nginx').mem_limit)?.[1]);
    // 30 kB for each idle socket, what the kernel takes included; its temporary files are memory too.
    expect((sockets * 30) / 1024 + 256).toBeLessThanOrEqual(limitMb);
  });

  it('adds the secrets that are missing to a .env without an end of its last line, and no others', () => {
    const [, lines = ''] =
      /^```sh run-by=deploy\n(umask 077\n.*?\n)docker compose/ms.exec(read('docs/deployment.md')) ?? [];
    const here = mkdtempSync(path.join(dir, 'env-'));
    const names = 'ADMIN_TOKEN METRICS_TOKEN POSTGRES_PASSWORD REDIS_ACL_PASSWORD GRAFANA_ADMIN_PASSWORD'.split(' ');
    for (const before of ['JWT_SECRET=kept', 'JWT_SECRET=kept\n']) {
      writeFileSync(path.join(here, '.env'), before);
      execFileSync('sh', ['-euc', lines], { cwd: here });
      const written = readFileSync(path.join(here, '.env'), 'utf8').split('\n');
      const fresh = names.map((name): unknown => expect.stringMatching(new RegExp(`^${name}=[0-9a-f]{64}$`)));
      expect(written).toEqual(['JWT_SECRET=kept', ...fresh, '']);
    }
  });

  it('gives an instance the time that a drain takes', () => {
    for (const name of instances) {
      const { stop_grace_period, environment } = service(name);
      const drain = secondsOf(environment['DRAIN_DELAY']) + secondsOf(environment['DRAIN_TIMEOUT']);
      expect(secondsOf(stop_grace_period)).toBeGreaterThanOrEqual(drain + 10);
    }
  });

  it('lets nginx alone say who a client is, and tells it where the instances are', () => {
    const address = (name: string) => {
      const { networks } = service(name);
      return Array.isArray(networks) ? undefined : networks['front']?.ipv4_address;
    };
    for (const name of instances) {
      expect(service(name).environment['TRUST_PROXY']).toBe(`${address('nginx') ?? ''}/32`);
      expect(service('nginx').extra_hosts).toContain(`${name}:${address(name) ?? ''}`);
      for (const file of ['deploy/nginx/upstream.conf', 'deploy/prometheus/prometheus.yml']) {
        expect(read(file)).toContain(`${name}:3001`);
      }
    }
  });

  it('mounts what there is', () => {
    const sources = Object.values(services).flatMap(({ volumes }) =>
      volumes.map((volume) => volume.split(':')[0] ?? ''),
    );
    const files = sources.filter((source) => source.startsWith('./'));
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it('starts Redis with the access list, the password in it, and nothing that forgets', () => {
    const [shell = '', ...args] = service('redis').entrypoint.map(interpolated);
    const list = path.join(dir, 'tandem.acl');
    const here = args.map((arg) =>
      arg
        .replace('/etc/redis/tandem.acl', path.join(root, 'deploy/redis/tandem.acl'))
        .replaceAll('/tmp/tandem.acl', list)
        .replace('exec redis-server', 'exec echo'),
    );
    const said = execFileSync(shell, here, {
      env: { ...process.env, REDIS_ACL_PASSWORD: 'p&a\\s/s' },
      encoding: 'utf8',
    });
    expect(readFileSync(list, 'utf8')).toBe(
      read('deploy/redis/tandem.acl').replace('REPLACE_WITH_A_RANDOM_PASSWORD', () => 'p&a\\s/s'),
    );
    for (const words of ['--aclfile', '--appendonly yes', '--appendfsync always', '--maxmemory-policy noeviction']) {
      expect(said).toContain(words);
    }
  });
});

describe('deploy/prometheus and deploy/nginx', () => {
  it('Prometheus takes its configuration, with and without somebody to tell', () => {
    const copy = path.join(dir, 'prometheus');
    cpSync(path.join(root, 'deploy/prometheus'), copy, { recursive: true });
    const token = path.join(dir, 'metrics-token');
    writeFileSync(token, secret());
    const config = read('deploy/prometheus/prometheus.yml').replace('/tmp/metrics-token', token);
    expect(config).toContain(token);
    const alerting = config.replaceAll(/^# (?=alerting:| +alertmanagers:| +- static| +- targets)/gm, '');
    expect(parse(alerting)).toMatchObject({
      alerting: { alertmanagers: [{ static_configs: [{ targets: ['alertmanager:9093'] }] }] },
    });
    for (const each of [config, alerting]) {
      writeFileSync(path.join(copy, 'prometheus.yml'), each);
      const { isWell, said } = promtool(['check', 'config', path.join(copy, 'prometheus.yml')]);
      expect({ isWell, said }).toEqual({ isWell: true, said: expect.stringContaining('SUCCESS') });
    }
  });

  it('nginx takes its configuration', async () => {
    await renderNginx(dir, 8080, [3001, 3002]);
    const { error, status, stderr } = spawnSync('nginx', ['-t', ...nginxArguments(dir)], {
      encoding: 'utf8',
      // Its access log is /dev/stdout, and nginx cannot open the sockets that Node.js makes of pipes.
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (error !== undefined) throw new Error('There is no nginx; ./setup.sh test installs it', { cause: error });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('test is successful') });
  });
});
