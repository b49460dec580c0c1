import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Histogram, Registry } from 'prom-client';
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { CLOSINGS } from '../../protocol/closings.ts';
import { parseExposition, type Sample } from '../../test/support/exposition.ts';
import { DurationHistogram } from './duration-histogram.ts';
import { negotiateMetrics } from './metrics-exposition.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** Name and labels of every metric, as the protocol's page promises them. */
const PROMISED: Record<string, string[]> = {
  connections: [],
  sessions: ['status'],
  participants: ['presence'],
  commands_total: ['command', 'outcome'],
  command_duration_seconds: ['command'],
  messages_total: [],
  message_delivery_seconds: [],
  signals_total: [],
  pairings_total: ['outcome'],
  time_to_pair_seconds: [],
  resumes_total: ['outcome'],
  rate_limited_total: ['limit'],
  connections_closed_total: ['reason'],
  auth_total: ['outcome'],
  revocations_total: [],
  revocations_active: [],
  redis_up: [],
  redis_command_duration_seconds: [],
  redis_reconnects_total: [],
  database_up: [],
  database_query_duration_seconds: ['query'],
  archive_lag_seconds: [],
  archive_backlog_messages: [],
  send_buffer_bytes: [],
  event_loop_lag_seconds: [],
  http_request_duration_seconds: ['method', 'route', 'status'],
  cache_requests_total: ['cache', 'outcome'],
  emails_total: ['outcome'],
  build_info: ['version'],
};

/** What alerts need besides. */
const BEYOND: Record<string, string[]> = {
  archive_set_aside_total: [],
  log_lines_dropped_total: [],
  ready: [],
};

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics({ version: '1.2.3' });
});

afterEach(() => {
  metrics.stop();
});

async function samples(): Promise<Sample[]> {
  return parseExposition((await metrics.text()).body);
}

async function valueOf(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const wanted = JSON.stringify(labels);
  return (await samples()).find((sample) => sample.name === name && JSON.stringify(sample.labels) === wanted)?.value;
}

describe('metrics from the start', () => {
  it('are exactly the promised names, with exactly the promised labels, at zero', async () => {
    metrics.databaseQuery('append_messages');
    const own = (await samples()).filter((sample) => sample.name.startsWith('tandem_'));
    const found: Record<string, Set<string>> = {};
    for (const { name, labels, value } of own) {
      const base = name.slice('tandem_'.length).replace(/_(bucket|sum|count)$/, '');
      found[base] ??= new Set();
      for (const label of Object.keys(labels)) if (label !== 'le') found[base].add(label);
      expect([name, value]).toEqual([name, base === 'build_info' ? 1 : 0]);
    }
    expect(Object.fromEntries(Object.entries(found).map(([name, labels]) => [name, [...labels]]))).toEqual({
      ...PROMISED,
      ...BEYOND,
    });
  });

  it('have the outcomes of commands that alerts are about, so that the first one is a rise', async () => {
    for (const outcome of ['ok', 'internal', 'unavailable', 'rate_limited']) {
      expect(await valueOf('tandem_commands_total', { command: 'session:join', outcome })).toBe(0);
    }
  });

  it('have a series for every limit and every way that a connection ends', async () => {
    for (const limit of Object.keys(LIMITS)) expect(await valueOf('tandem_rate_limited_total', { limit })).toBe(0);
    for (const reason of [...Object.keys(CLOSINGS), 'client', 'transport']) {
      expect(await valueOf('tandem_connections_closed_total', { reason })).toBe(0);
    }
  });

  it('have a series for every cache and whatever a look-up in it comes to', async () => {
    for (const cache of ['history', 'user', 'analytics', 'code']) {
      for (const outcome of ['hit', 'miss', 'error']) {
        expect(await valueOf('tandem_cache_requests_total', { cache, outcome })).toBe(0);
      }
    }
    metrics.cacheRequest('history', 'hit');
    expect(await valueOf('tandem_cache_requests_total', { cache: 'history', outcome: 'hit' })).toBe(1);
  });

  it('come with the process metrics, without gauges that are named like counters', async () => {
    const { body } = await metrics.text();
    expect(body).toContain('\nprocess_cpu_seconds_total ');
    expect(body).toContain('\nnodejs_heap_size_used_bytes ');
    const gauges = [...body.matchAll(/^# TYPE (\S+) gauge$/gm)].map((match) => match[1]);
    expect(gauges.filter((name) => name?.endsWith('_total'))).toEqual([]);
    expect(body).not.toMatch(/ Nan$/m);
    expect(body).not.toContain('nodejs_active_handles');
  });
});

describe('counting', () => {
  it('counts a command once, with its outcome and its duration', async () => {
    metrics.commandOk('message:send', 0.004);
    metrics.commandFailed('message:send', 'RATE_LIMITED', 0.001);
    expect(await valueOf('tandem_commands_total', { command: 'message:send', outcome: 'ok' })).toBe(1);
    expect(await valueOf('tandem_commands_total', { command: 'message:send', outcome: 'rate_limited' })).toBe(1);
    expect(await valueOf('tandem_command_duration_seconds_count', { command: 'message:send' })).toBe(2);
    expect(await valueOf('tandem_command_duration_seconds_sum', { command: 'message:send' })).toBeCloseTo(0.005);
  });

  it('keeps the number of series bounded whatever clients call their commands and methods', async () => {
    for (let index = 0; index < 100; index += 1) {
      for (const code of Object.keys(ERRORS) as ErrorCode[]) metrics.commandFailed(`made:up${index}`, code, 0.001);
      metrics.httpRequest(`MADE${index}`, 'unmatched', 404, 0.001);
    }
    const all = await samples();
    const commands = new Set(all.map((sample) => sample.labels.command).filter((name) => name?.includes('made')));
    expect([...commands]).toEqual([]);
    expect(await valueOf('tandem_commands_total', { command: 'unknown', outcome: 'internal' })).toBe(100);
    const labels = { method: 'OTHER', route: 'unmatched', status: '404' };
    expect(await valueOf('tandem_http_request_duration_seconds_count', labels)).toBe(100);
  });

  it('shows a statement at zero once it is named, and its durations after', async () => {
    const observe = metrics.databaseQuery('append_messages');
    expect(await valueOf('tandem_database_query_duration_seconds_count', { query: 'append_messages' })).toBe(0);
    observe(0.02);
    expect(await valueOf('tandem_database_query_duration_seconds_sum', { query: 'append_messages' })).toBe(0.02);
  });

  it('keeps the counts of two servers in one process apart', async () => {
    const other = createMetrics({ version: '1.2.3' });
    other.messageAppended();
    expect(await valueOf('tandem_messages_total')).toBe(0);
    expect((await other.text()).body).toContain('\ntandem_messages_total 1\n');
  });
});

describe('gauges', () => {
  it('are read at each scrape', async () => {
    let connections = 3;
    metrics.observe({
      connections: () => connections,
      sessions: () => ({ waiting: 1, paired: 2, closed: 0 }),
      participants: () => ({ online: 4, away: 1 }),
      databaseUp: () => true,
    });
    expect(await valueOf('tandem_connections')).toBe(3);
    connections = 5;
    expect(await valueOf('tandem_connections')).toBe(5);
    expect(await valueOf('tandem_sessions', { status: 'paired' })).toBe(2);
    expect(await valueOf('tandem_participants', { presence: 'away' })).toBe(1);
    expect(await valueOf('tandem_database_up')).toBe(1);
  });

  it('keep their last value when their source throws or is no number, and the scrape goes on', async () => {
    metrics.observe({ connections: () => 3, sendBufferBytes: () => 7 });
    await metrics.text();
    metrics.observe({
      connections: () => {
        throw new Error('broken');
      },
      sendBufferBytes: () => Number.NaN,
    });
    expect(await valueOf('tandem_connections')).toBe(3);
    expect(await valueOf('tandem_send_buffer_bytes')).toBe(7);
  });

  it('show lost log lines as what they are in all, at every scrape', async () => {
    let dropped = 4;
    metrics.observe({ logLinesDropped: () => dropped, isReady: () => true });
    expect(await valueOf('tandem_log_lines_dropped_total')).toBe(4);
    dropped = 6;
    expect(await valueOf('tandem_log_lines_dropped_total')).toBe(6);
    expect(await valueOf('tandem_log_lines_dropped_total')).toBe(6);
    expect(await valueOf('tandem_ready')).toBe(1);
  });

  it('show a stall of the event loop', async () => {
    metrics.start();
    metrics.start();
    await ticksOfTheMonitor();
    const end = performance.now() + 150;
    while (performance.now() < end);
    await ticksOfTheMonitor();
    const lag = await valueOf('tandem_event_loop_lag_seconds');
    expect(lag).toBeGreaterThan(0.1);
    expect(lag).toBeLessThan(5);
  });
});

describe('the exposition', () => {
  it('is Prometheus text unless something else is preferred', async () => {
    const { contentType, body } = await metrics.text();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).not.toContain('# EOF');
  });

  it('is OpenMetrics when asked for, and the plain text stays as it was', async () => {
    const { contentType, body } = await metrics.text('application/openmetrics-text; version=1.0.0');
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(body.endsWith('\n# EOF\n')).toBe(true);
    expect(body).not.toContain('\n\n');
    expect(body).toContain('# TYPE tandem_messages counter\ntandem_messages_total 0\n');
    expect(body).toContain('tandem_command_duration_seconds_bucket{le="1.0",command="message:send"} 0');
    expect((await metrics.text()).body).toContain('# TYPE tandem_messages_total counter\ntandem_messages_total 0\n');
  });

  it.each([
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['application/json', 'json'],
    ['Application/JSON; charset=utf-8', 'json'],
    ['application/json;q=0.4, text/plain;q=0.5', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    ['image/png', 'text'],
  ])('answers Accept %j with %s', (accept, format) => {
    expect(negotiateMetrics(accept)).toBe(format);
  });

  it('has a short form in JSON', () => {
    metrics.observe({ connections: () => 2, participants: () => ({ online: 2, away: 0 }) });
    const summary = metrics.json();
    expect(summary.memory.rss).toBeGreaterThan(1024 * 1024);
    expect(summary.cpu.userSeconds).toBeGreaterThan(0);
    expect(summary.uptime).toBeGreaterThan(0);
    expect(summary).toMatchObject({ version: '1.2.3', connections: 2, participants: { online: 2, away: 0 } });
  });
});

describe('a histogram of durations', () => {
  const options = { name: 'seconds', help: 'A "help"\nof two lines.', buckets: [0.0005, 0.1, 1, 2.5] };

  it('shows what that of prom-client shows', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const mine = new DurationHistogram({ ...options, labelNames: ['b', 'a'], register: ours });
    const model = new Histogram({ ...options, labelNames: ['b', 'a'], registers: [theirs] });
    expect(await ours.metrics()).toBe(await theirs.metrics());
    model.zero({ b: 'zero', a: '' });
    mine.series({ b: 'zero', a: '' });
    const observed = [0, 0.0005, 0.00051, 0.1, 0.7, 1, 2.5, 2.50001, 1e9, -1];
    for (const a of ['x', 'y "z"\n\\', 'x']) {
      for (const seconds of observed) {
        model.observe({ b: '1', a }, seconds);
        mine.series({ b: '1', a }).observe(seconds);
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await Registry.merge([ours]).metrics()).toBe(await theirs.metrics());
  });

  it('shows it without labels too, and passes over what is no number', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const mine = new DurationHistogram({ ...options, labelNames: [], register: ours }).series({});
    const model = new Histogram({ ...options, registers: [theirs] });
    expect(await ours.metrics()).toBe(await theirs.metrics());
    for (const seconds of [0.3, Number.NaN, Number.POSITIVE_INFINITY]) mine.observe(seconds);
    model.observe(0.3);
    expect(await ours.metrics()).toBe(await theirs.metrics());
  });
});

/** Lets the monitor, a timer of 10 ms, run: timers fire in the order of their time. */
function ticksOfTheMonitor(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 30));
}
