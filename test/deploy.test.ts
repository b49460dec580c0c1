/** What deploy/, Dockerfile and docker-compose.yml say, as far as it can be held to something without a container engine. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../server/config.ts';
import { variableOf } from '../server/config/variables.ts';
import { nginxArguments, renderNginx } from './support/nginx.ts';
import { promtool } from './support/promtool.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true });
const secret = (): string => randomBytes(32).toString('hex');

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tandem-deploy-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

/** The whole number of seconds of `45s`. */
function seconds(text: string | undefined): number {
  const [, digits] = /^(\d+)s$/.exec(text ?? '') ?? [];
  if (digits === undefined) throw new Error(`expected seconds such as 45s, got ${String(text)}`);
  return Number(digits);
}

function isKnown(name: string): boolean {
  return variableOf(name) !== undefined || variableOf(name.replace(/_FILE$/, ''))?.secret === true;
}

/** What starts with this environment says before it starts; without a word when all is well. */
function faultsOf(environment: Record<string, string>): readonly string[] {
  const loaded = loadConfig(environment);
  return loaded.ok ? loaded.warnings : loaded.faults;
}

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

const Service = z.looseObject({
  image: z.string(),
  environment: z.record(z.string(), z.string()).default({}),
  entrypoint: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
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
    for (const { name, rest } of names.filter((each) => /PASSWORD|JWT_SECRET|TOKEN/.test(each.name))) {
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

  it('gives an instance the time that a drain takes', () => {
    for (const name of instances) {
      const { stop_grace_period, environment } = service(name);
      const drain = seconds(environment['DRAIN_DELAY']) + seconds(environment['DRAIN_TIMEOUT']);
      expect(seconds(stop_grace_period)).toBeGreaterThanOrEqual(drain + 10);
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

describe('deploy/kubernetes', () => {
  const below = path.join(root, 'deploy/kubernetes');
  const names = readdirSync(below, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  const manifests = names.filter((name) => path.basename(name) !== 'kustomization.yaml');
  const document = (name: string): unknown => parse(readFileSync(path.join(below, name), 'utf8'), { merge: true });
  const base = (name: string): unknown => document(`base/${name}.yaml`);
  const ConfigMap = z.object({ data: z.record(z.string(), z.string()) });
  const settings = ConfigMap.parse(base('config-map')).data;
  const example = z.object({ stringData: z.record(z.string(), z.string()) }).parse(document('secret.example.yaml'));

  it.each(manifests)('%s keeps the types of its kind', (name) => {
    const schema =
      ajv.getSchema('kubernetes') ??
      ajv.addSchema(z.looseObject({}).parse(JSON.parse(read('test/support/schemas/kubernetes.json'))), 'kubernetes');
    expect(schema).toBeDefined();
    for (const each of parseAllDocuments(readFileSync(path.join(below, name), 'utf8'), { merge: true })) {
      const value: unknown = each.toJS();
      const { apiVersion, kind } = z.looseObject({ apiVersion: z.string(), kind: z.string() }).parse(value);
      const pointer = `${apiVersion}/${kind}`.replaceAll('/', '~1');
      const isValid = ajv.compile({ $ref: `kubernetes#/$defs/kinds/$defs/${pointer}` });
      // A patch says a part of what is whole in the base.
      const errors = isValid(value) ? [] : (isValid.errors ?? []);
      const isPatch = name.startsWith('overlays/') && existsSync(path.join(below, 'base', path.basename(name)));
      expect(errors.filter(({ keyword }) => !(isPatch && keyword === 'required'))).toEqual([]);
    }
  });

  it('every manifest is part of a kustomization, but for the example of a secret', () => {
    const List = z.object({
      resources: z.array(z.string()),
      patches: z.array(z.object({ path: z.string() })).default([]),
    });
    const named = names
      .filter((name) => path.basename(name) === 'kustomization.yaml')
      .flatMap((name) => {
        const { resources, patches } = List.parse(document(name));
        const files = [...resources, ...patches.map((patch) => patch.path)];
        return files.map((file) => path.join(path.dirname(name), file));
      });
    expect(named.filter((name) => !existsSync(path.join(below, name)))).toEqual([]);
    expect(named.filter((name) => name.endsWith('.yaml')).sort()).toEqual(
      manifests.filter((name) => name !== 'secret.example.yaml').sort(),
    );
  });

  it('starts a server that understands all that it is told, and none with the secrets of the example', () => {
    const files = Object.entries(settings).filter(([name]) => name.endsWith('_FILE'));
    const withSecrets = (values: Record<string, string>): Record<string, string> => {
      const own = files.map(([name, file]) => {
        const copy = path.join(dir, path.basename(file));
        writeFileSync(copy, values[path.basename(file)] ?? '');
        return [name, copy] as const;
      });
      const overlay = ConfigMap.parse(document('overlays/example/config-map.yaml')).data;
      return { ...settings, ...overlay, ...Object.fromEntries(own) };
    };
    expect(Object.keys(settings).filter((name) => !isKnown(name))).toEqual([]);
    expect(Object.keys(example.stringData).sort()).toEqual(files.map(([, file]) => path.basename(file)).sort());
    const fresh = { JWT_SECRET: secret(), ADMIN_TOKEN: secret(), METRICS_TOKEN: secret() };
    expect(faultsOf(withSecrets({ ...example.stringData, ...fresh }))).toEqual([]);
    expect(faultsOf(withSecrets(example.stringData))).toEqual([
      expect.stringMatching(/^JWT_SECRET/),
      expect.stringMatching(/^ADMIN_TOKEN/),
      expect.stringMatching(/^METRICS_TOKEN/),
    ]);
  });

  it('probes what there is, and waits for a drain', () => {
    const httpGet = (route: string) => ({ httpGet: { path: route, port: 'http' } });
    const Pod = z.looseObject({
      terminationGracePeriodSeconds: z.number(),
      containers: z.array(
        z.looseObject({
          lifecycle: z.object({ preStop: z.object({ exec: z.object({ command: z.array(z.string()) }) }) }),
        }),
      ),
    });
    const Deployment = z.looseObject({ spec: z.looseObject({ template: z.looseObject({ spec: Pod }) }) });
    const pod = Deployment.parse(base('deployment')).spec.template.spec;
    const [container] = pod.containers;
    expect(container).toMatchObject({
      ports: [{ name: 'http', containerPort: Number(settings['PORT']) }],
      startupProbe: httpGet('/health/live'),
      livenessProbe: httpGet('/health/live'),
      readinessProbe: httpGet('/health/ready'),
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    });
    expect(read('server/http/routes/health.ts')).toMatch(/'\/health\/live'[^]*'\/health\/ready'/);
    const [program, waits = ''] = container?.lifecycle.preStop.exec.command ?? [];
    expect(program).toBe('sleep');
    const goesOnSeconds = Number(waits) + seconds(settings['DRAIN_DELAY']);
    expect(goesOnSeconds).toBeGreaterThanOrEqual(5);
    const drainSeconds = goesOnSeconds + seconds(settings['DRAIN_TIMEOUT']);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drainSeconds + 10);
    // A job has neither probes nor a drain; what confines it is the same.
    expect(base('migrate-job')).toMatchObject({
      spec: { template: { spec: { securityContext: pod['securityContext'], enableServiceLinks: false } } },
    });
    expect(pod['enableServiceLinks']).toBe(false);
  });
});

describe('deploy/prometheus and deploy/nginx', () => {
  it('Prometheus takes its configuration', () => {
    const copy = path.join(dir, 'prometheus');
    cpSync(path.join(root, 'deploy/prometheus'), copy, { recursive: true });
    const token = path.join(dir, 'metrics-token');
    writeFileSync(token, secret());
    const config = read('deploy/prometheus/prometheus.yml').replace('/tmp/metrics-token', token);
    expect(config).toContain(token);
    writeFileSync(path.join(copy, 'prometheus.yml'), config);
    const { isWell, said } = promtool(['check', 'config', path.join(copy, 'prometheus.yml')]);
    expect({ isWell, said }).toEqual({ isWell: true, said: expect.stringContaining('SUCCESS') });
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
