/** What deploy/kubernetes says, as far as it can be held to something without a cluster. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { ajv, faultsOf, isKnown, read, root, secondsOf, secret } from './support/deploy-files.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tandem-deploy-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
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

  it('starts a server that understands what the examples show in comments', () => {
    const shown = (name: string): Record<string, string> => {
      const text = readFileSync(path.join(below, name), 'utf8');
      const lines = [...text.matchAll(/^ {2}# ([A-Z_]+: \S.*)$/gm)].map(([, line = '']) => line);
      return z.record(z.string(), z.string()).parse(parse(lines.join('\n')));
    };
    const added = shown('overlays/example/config-map.yaml');
    const secrets = shown('secret.example.yaml');
    expect(Object.keys(added)).toEqual(['API_KEYS_FILE', 'SMTP_URL_FILE', 'MAIL_FROM']);
    expect(Object.keys(secrets)).toEqual(['API_KEYS', 'SMTP_URL']);
    const environment: Record<string, string> = { PUBLIC_URL: 'https://tandem.example', JWT_SECRET: secret() };
    for (const [name, value] of Object.entries(added)) {
      const copy = path.join(dir, path.basename(value));
      if (name.endsWith('_FILE')) {
        const example = secrets[path.basename(value)] ?? '';
        writeFileSync(copy, example.replace(/REPLACE_WITH_THE_SHA256_OF_THE_KEY/, secret()));
      }
      environment[name] = name.endsWith('_FILE') ? copy : value;
    }
    expect(faultsOf({ NODE_ENV: 'production', ...environment })).toEqual([]);
  });

  it('lets pods out to where the addresses of the documentation lead', () => {
    const Policy = z.object({
      spec: z.object({ egress: z.array(z.object({ ports: z.array(z.object({ port: z.number() })) })) }),
    });
    const ports = Policy.parse(base('network-policy')).spec.egress.flatMap((rule) =>
      rule.ports.map(({ port }) => port),
    );
    const defaults = [5432, 6379, 26379, 465, 587, 443]; // Of postgres, redis, sentinels, smtps, smtp, https.
    const pages = ['.env.example', 'docs/operations.md', 'deploy/kubernetes/secret.example.yaml'].map(read).join('\n');
    const addresses = /\b(?:postgres|rediss?|smtps?|https?):\/\/[\w.:@-]*\.example:(\d+)/g;
    const named = [...pages.matchAll(addresses)].map(([, port]) => Number(port));
    expect(named).toContain(4318);
    expect([...named, ...defaults].filter((port) => !ports.includes(port))).toEqual([]);
  });

  it('can be applied in two steps, where the first has all that the migration needs and none of the server', () => {
    const Labelled = z.object({
      kind: z.string(),
      metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
    });
    const ofServer = manifests
      .filter((name) => name.startsWith('base/'))
      .map((name) => Labelled.parse(document(name)))
      .filter(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === 'server');
    expect(ofServer.map(({ kind }) => kind).sort()).toEqual(['Deployment', 'Service']);
    expect(read('docs/deployment.md')).toContain("--selector 'app.kubernetes.io/component!=server'\n");
  });

  it('probes what there is, and waits for a drain', () => {
    const httpGet = (route: string) => ({ httpGet: { path: route, port: 'http' } });
    const Pod = z.looseObject({
      terminationGracePeriodSeconds: z.number(),
      containers: z.array(
        z.looseObject({
          startupProbe: z.looseObject({ periodSeconds: z.number(), failureThreshold: z.number() }),
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
    // Whoever starts waits for the migrations, so it is not ended before the job would be.
    const { periodSeconds = 0, failureThreshold = 0 } = container?.startupProbe ?? {};
    const Job = z.object({ spec: z.object({ activeDeadlineSeconds: z.number() }) });
    const migrationSeconds = Job.parse(base('migrate-job')).spec.activeDeadlineSeconds;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(migrationSeconds);
    expect(read('server/http/routes/health.ts')).toMatch(/'\/health\/live'[^]*'\/health\/ready'/);
    const [program, waits = ''] = container?.lifecycle.preStop.exec.command ?? [];
    expect(program).toBe('sleep');
    const goesOnSeconds = Number(waits) + secondsOf(settings['DRAIN_DELAY']);
    expect(goesOnSeconds).toBeGreaterThanOrEqual(5);
    const drainSeconds = goesOnSeconds + secondsOf(settings['DRAIN_TIMEOUT']);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drainSeconds + 10);
    // A job has neither probes nor a drain; what confines it is the same.
    expect(base('migrate-job')).toMatchObject({
      spec: { template: { spec: { securityContext: pod['securityContext'], enableServiceLinks: false } } },
    });
    expect(pod['enableServiceLinks']).toBe(false);
  });
});
