import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseTraceParent } from '../server/observability/trace-parent.ts';
import { TraceLoss } from '../server/observability/trace-loss.ts';
import { openTracing } from '../server/observability/tracing.ts';
import type { Tracing } from '../server/observability/span.ts';
import type { LogFields } from '../server/observability/logger.ts';
import { runScript } from './support/child-script.ts';
import { stageInstances, stageStores } from './support/instances-stage.ts';
import { KINDS, startTraceCollector, type CollectedSpan } from './support/trace-collector.ts';

const HEADER_SECRET = 'planted-collector-key';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE_ID}-${PARENT_ID}-01`;
const NOT_SAMPLED = `00-${'c'.repeat(32)}-${PARENT_ID}-00`;

const collector = await startTraceCollector();
afterAll(() => collector.close());

describe('two instances', () => {
  const stores = stageStores();
  const stage = stageInstances(stores, {
    count: 2,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: `api-key=${HEADER_SECRET}`,
      TRUST_PROXY: '1',
    },
  });

  it('make one trace of a send: the command, the append, the delivery on the other instance', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('message:send', { id: 'message-1', body: 'planted-body' });
    await guest.client.next('message:new');

    const delivery = await collector.until(named('message:new'));
    const append = await collector.until(named('append_message'));
    const command = await collector.until(named('message:send'));
    expect([command.kind, append.kind, delivery.kind]).toEqual([KINDS.server, KINDS.client, KINDS.consumer]);
    expect(new Set([command, append, delivery].map(({ traceId }) => traceId)).size).toBe(1);
    expect(command.parentSpanId).toBe('');
    expect(append.parentSpanId).toBe(command.spanId);
    expect(delivery.parentSpanId).toBe(append.spanId);

    const sessionId = host.session.id;
    expect(command.attributes).toEqual({
      'tandem.command': 'message:send',
      'tandem.outcome': 'ok',
      'tandem.session_id': sessionId,
    });
    expect(delivery.attributes).toEqual({ 'tandem.session_id': sessionId });
    const instances = [command, append, delivery].map(({ resource }) => resource['service.instance.id']);
    expect(instances[0]).toBe(instances[1]);
    expect(instances[2]).not.toBe(instances[0]);
    expect(command.resource['service.name']).toBe('tandem');
    expect(collector.headers['api-key']).toBe(HEADER_SECRET);
  });

  it('say how a refused command ended, and that an outage is a fault', async () => {
    const client = await stage.connect(0);
    await client.refusal('message:send', { id: 'message-2', body: 1 });
    const refused = await collector.until((spans) =>
      spans.find(({ attributes }) => attributes['tandem.outcome'] === 'NOT_IN_SESSION'),
    );
    expect([refused.name, refused.isFault]).toEqual(['message:send', false]);
  });

  it('go on with the trace of a request, name it by its route, and leave health and metrics out', async () => {
    const [url = ''] = stage.urls;
    for (const path of ['/health/ready', '/health', '/metrics?x=1', '/api/v1/health']) {
      await fetch(url + path, { headers: { traceparent: `00-${'d'.repeat(32)}-${PARENT_ID}-01` } });
    }
    await fetch(`${url}/api/v1/me/sessions?cursor=planted-cursor`, { headers: { traceparent: NOT_SAMPLED } });
    await fetch(`${url}/api/v1/me/sessions?cursor=planted-cursor`, { headers: { traceparent: SAMPLED } });
    const span = await collector.until((spans) => spans.find(({ traceId }) => traceId === TRACE_ID));
    expect(span).toMatchObject({ name: 'GET /api/v1/me/sessions', kind: KINDS.server, parentSpanId: PARENT_ID });
    expect(span.attributes).toEqual({
      'http.request.method': 'GET',
      'http.route': '/api/v1/me/sessions',
      'http.response.status_code': 401,
    });
    const strange = collector.spans.filter(({ traceId }) => /^[cd]+$/.test(traceId));
    expect(strange).toEqual([]);
  });

  it('export nothing that anybody wrote, is called, comes from or is let in by', async () => {
    const [url = '', other = ''] = stage.urls;
    const planted = { email: 'planted@example.org', password: 'planted-password-1', ip: '203.0.113.77' };
    const answer = await fetch(`${url}/api/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': planted.ip, 'user-agent': 'planted-agent' },
      body: JSON.stringify({ email: planted.email, password: planted.password, name: 'planted-name' }),
    });
    const { accessToken, refreshToken } = (await answer.json()) as { accessToken: string; refreshToken: string };
    const host = await stage.host(0, { name: 'planted-name', metadata: { note: 'planted-note' } });
    const code = host.session.code ?? '';
    await fetch(`${other}/api/v1/sessions/by-code/${code}`, { headers: { 'x-forwarded-for': planted.ip } });
    await fetch(`${other}/planted-path/${accessToken}`, { headers: { authorization: `Bearer ${accessToken}` } });
    const guest = await stage.guest(1, code);
    await host.client.sendLoose('planted:command', {});
    const body = { text: 'planted-body' };
    await guest.client.do('message:send', { id: 'planted-message', type: 'planted-type', body });
    await host.client.next('message:new');

    await collector.until((spans) => (deliveriesTo(host.session.id, spans) > 0 ? true : undefined));
    await collector.until(named('GET unmatched'));
    expect(collector.payload).not.toContain('planted');
    const secrets = [code, accessToken, refreshToken, host.self.resumeToken, guest.self.resumeToken, planted.ip];
    expect(secrets.filter((secret) => collector.payload.includes(secret))).toEqual([]);
    expect(collector.payload).not.toContain('127.0.0.1');
  });

  it('go on when the collector is silent or refuses', async () => {
    const { host, guest } = await stage.pair(0, 1);
    for (const answer of ['silent', 503, 400] as const) {
      collector.answer = answer;
      await host.client.do('message:send', { id: `message-${answer}`, body: answer });
      expect(await guest.client.next('message:new')).toMatchObject({ body: answer });
    }
    collector.answer = 'takes';
  });
});

describe('tracing by itself', () => {
  let lines: LogFields[] = [];
  beforeEach(() => {
    lines = [];
  });

  function open(endpoint: string, ratio = 1): Promise<Tracing | null> {
    const logger = {
      warn: (event: string, fields: LogFields = {}) => {
        expect(event).toBe('traces_lost');
        lines.push(fields);
      },
    };
    const options = { version: '0', instanceId: 'one', logger };
    return openTracing({ endpoint, headers: {}, serviceName: 'tandem', ratio }, options);
  }

  it('records the share of its own traces that is asked for, and follows the decision of others', async () => {
    const none = await open(collector.url, 0);
    expect(none?.begin('server', 'x')).toBeNull();
    expect(none?.begin('server', 'x', 'no traceparent')).toBeNull();
    expect(none?.begin('server', 'x', SAMPLED)?.traceparent).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    const all = await open(collector.url, 1);
    expect(all?.begin('server', 'x', NOT_SAMPLED)).toBeNull();
    expect(all?.begin('server', 'x', 'no traceparent')).not.toBeNull();
    await Promise.all([none?.stop(), all?.stop()]);
  });

  it('flushes when it stops', async () => {
    const tracing = await open(collector.url);
    tracing?.begin('server', 'the last one')?.end();
    await tracing?.stop();
    expect(collector.spans.some(({ name }) => name === 'the last one')).toBe(true);
    expect(lines).toEqual([]);
  });

  it('tells of what a collector does not take once, keeps a bound, and stops all the same', async () => {
    const gone = await startTraceCollector();
    gone.answer = 400;
    const tracing = await open(gone.url);
    for (let count = 0; count < 10_000; count += 1) tracing?.begin('server', 'x')?.end();
    await tracing?.stop();
    await gone.close();
    const [first, atTheStop] = lines;
    expect(first).toEqual({ count: 1, reason: 'more spans than the collector takes' });
    expect(atTheStop).toEqual({ count: 9999, reason: 'the collector answered 400' });
    expect(lines).toHaveLength(2);
    expect(gone.exports).toBeLessThanOrEqual(4096 / 512);
  });

  it('stops within its bound when the collector never answers', async () => {
    const mute = await startTraceCollector();
    mute.answer = 'silent';
    const tracing = await open(mute.url);
    tracing?.begin('server', 'x')?.end();
    const startedAt = performance.now();
    await tracing?.stop();
    expect(performance.now() - startedAt).toBeLessThan(4000);
    await mute.close();
  });

  it('writes one line a minute, with all that was lost since the one before', () => {
    let now = 0;
    const loss = new TraceLoss({ warn: (_event, fields = {}) => void lines.push(fields) }, () => now);
    for (; now < 59_000; now += 1000) loss.add(2, 'ECONNREFUSED');
    now = 60_000;
    loss.add(1, 'the collector answered 503');
    expect(lines).toEqual([
      { count: 2, reason: 'ECONNREFUSED' },
      { count: 58 * 2 + 1, reason: 'the collector answered 503' },
    ]);
    loss.tell();
    expect(lines).toHaveLength(2);
  });
});

it('without a collector nothing of the SDK is loaded', async () => {
  const script = runScript('test/support/loaded-packages.ts');
  const [without, withOne] = [await script.nextLine(), await script.nextLine()];
  await script.exit;
  expect(Number(without)).toBe(0);
  expect(Number(withOne)).toBeGreaterThan(0);
});

describe('traceparent', () => {
  it('is read as W3C Trace Context has it', () => {
    expect(parseTraceParent(SAMPLED)).toEqual({ traceId: TRACE_ID, spanId: PARENT_ID, isSampled: true });
    expect(parseTraceParent(NOT_SAMPLED)).toMatchObject({ isSampled: false });
    expect(parseTraceParent(`01-${TRACE_ID}-${PARENT_ID}-03-more`)).toMatchObject({ isSampled: true });
  });

  it('is none where anything is amiss', () => {
    const none = [
      ...[undefined, '', [SAMPLED], SAMPLED.toUpperCase(), ` ${SAMPLED}`, `${SAMPLED}-more`],
      `ff-${TRACE_ID}-${PARENT_ID}-01`,
      `00-${'0'.repeat(32)}-${PARENT_ID}-01`,
      `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
      `01-${TRACE_ID}-${PARENT_ID}-01-${'x'.repeat(300)}`,
    ];
    expect(none.filter((text) => parseTraceParent(text) !== null)).toEqual([]);
  });
});

function named(name: string): (spans: readonly CollectedSpan[]) => CollectedSpan | undefined {
  return (spans) => spans.find((span) => span.name === name);
}

function deliveriesTo(sessionId: string, spans: readonly CollectedSpan[]): number {
  return spans.filter(({ name, attributes }) => name === 'message:new' && attributes['tandem.session_id'] === sessionId)
    .length;
}
