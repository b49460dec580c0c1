import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { createMetrics } from '../server/observability/metrics.ts';
import { Api } from './support/api.ts';
import { promtool } from './support/promtool.ts';
import { startServer } from './support/server.ts';

const root = path.join(import.meta.dirname, '..');
const ALERTS = path.join(root, 'deploy/prometheus/alerts.yml');
const ALERT_TESTS = path.join(root, 'deploy/prometheus/tandem.test.yml');

interface Alert {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
interface AlertTest {
  name: string;
  promql_expr_test?: { expr: string; exp_samples: unknown[] }[];
}
interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { expr: string; datasource: { uid: string } }[];
}

// The casts below: the files are ours, and what they lack is what the tests find.
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const { groups } = parse(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const { tests } = parse(readFileSync(ALERT_TESTS, 'utf8')) as { tests: AlertTest[] };
const dashboard = JSON.parse(read('deploy/grafana/tandem.json')) as {
  panels: Panel[];
  templating: { list: { name: string; type: string }[] };
};
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

/** Every name under which a sample of the server can appear. */
const exposed = new Set<string>();
const own = new Set<string>();

beforeAll(async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  for (const [, name = '', type] of (await metrics.text()).body.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (name.startsWith('tandem_')) own.add(name);
    if (type === 'histogram') for (const end of ['_bucket', '_sum', '_count']) exposed.add(name + end);
    else exposed.add(name);
  }
});

const namesIn = (expr: string) => expr.match(/\b(?:tandem|process|nodejs)_\w+/g) ?? [];
const unknownIn = (expr: string) => namesIn(expr).filter((name) => !exposed.has(name));

describe('the alerts', () => {
  it('are rules that Prometheus accepts', () => {
    expect(promtool(['check', 'rules', ALERTS])).toMatchObject({ isWell: true });
  });

  it('fire when they should and not before', () => {
    const verdict = promtool(['test', 'rules', ALERT_TESTS]);
    expect(verdict.isWell ? '' : verdict.said).toBe('');
  }, 120_000);

  it('have each a test in which they are silent and one in which they fire', () => {
    const checks = tests.flatMap((test) => test.promql_expr_test ?? []);
    const tested = alerts.map(({ alert }) => {
      const of = checks.filter(({ expr }) => expr === `ALERTS{alertname="${alert}", alertstate="firing"}`);
      return [
        alert,
        of.some((check) => check.exp_samples.length === 0),
        of.some((check) => check.exp_samples.length > 0),
      ];
    });
    expect(tested).toEqual(alerts.map(({ alert }) => [alert, true, true]));
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  it('say how bad it is, what it is, and where to read on', () => {
    const headings = new Set(
      [...read('docs/operations.md').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );
    const poor = alerts.filter(({ labels, annotations: { summary = '', description = '', runbook = '' } }) => {
      const [page, anchor = ''] = runbook.split('#');
      const isFound = page === 'docs/operations.md' && anchor.startsWith('runbook-') && headings.has(anchor);
      return (
        !['critical', 'warning'].includes(labels['severity'] ?? '') || summary === '' || description === '' || !isFound
      );
    });
    expect(poor.map(({ alert, annotations }) => `${alert}: ${annotations['runbook'] ?? ''}`)).toEqual([]);
  });

  it('leave no runbook that nothing leads to', () => {
    const led = new Set(alerts.map(({ annotations }) => annotations['runbook']?.split('#')[1]));
    const written = [...read('docs/operations.md').matchAll(/^### (Runbook: .*)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replace(':', '').replaceAll(' ', '-'),
    );
    expect(written.filter((anchor) => !led.has(anchor))).toEqual([]);
  });

  it('ask for metrics that the server has', () => {
    expect(alerts.flatMap(({ alert, expr }) => unknownIn(expr).map((name) => `${alert}: ${name}`))).toEqual([]);
  });

  it('name routes as the server names them', async () => {
    const server = await startServer();
    try {
      const api = new Api(server.url);
      await api.call('GET', '/api/v1/sessions/by-code/ZZZZZZ');
      const body = { email: 'nobody@example.com', password: 'of nobody at all' };
      await api.call('POST', '/api/v1/auth/login', { body });
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const named = alerts.flatMap(({ expr }) => expr.match(/route="[^"]+", ?status="\d+"/g) ?? []);
      expect(named).toHaveLength(2);
      expect(named.filter((labels) => !text.includes(labels.replace(', ', ',')))).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});

describe('the dashboard', () => {
  it('says of every panel what it shows and in which unit', () => {
    const poor = panels.filter(
      ({ description = '', fieldConfig, targets = [] }) =>
        description === '' || (fieldConfig?.defaults.unit ?? '') === '' || targets.length === 0,
    );
    expect(poor.map(({ title }) => title)).toEqual([]);
    expect(panels.length).toBeGreaterThan(30);
  });

  it('takes data source and instances from variables', () => {
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
    ]);
    const fixed = panels.filter(({ datasource, targets = [] }) =>
      [datasource, ...targets.map((target) => target.datasource)].some((source) => source?.uid !== '${datasource}'),
    );
    expect(fixed.map(({ title }) => title)).toEqual([]);
    expect(queries.filter(({ expr }) => !expr.includes('instance=~"$instance"'))).toEqual([]);
  });

  it('asks what Prometheus understands, of metrics that the server has', () => {
    const rules = queries.map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'tandem').replaceAll('$instance', '.+'),
    }));
    const directory = mkdtempSync(path.join(tmpdir(), 'tandem-dashboard-'));
    try {
      const file = path.join(directory, 'rules.yml');
      writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }));
      const verdict = promtool(['check', 'rules', file]);
      expect(verdict.isWell ? '' : verdict.said).toBe('');
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(queries.flatMap(({ title, expr }) => unknownIn(expr).map((name) => `${title}: ${name}`))).toEqual([]);
  });

  it('leaves out no metric of ours', () => {
    const shown = new Set(queries.flatMap(({ expr }) => namesIn(expr)));
    const hidden = [...own].filter((name) => ![name, `${name}_bucket`].some((each) => shown.has(each)));
    expect(hidden).toEqual([]);
  });

  it('lays no panel over another', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});
