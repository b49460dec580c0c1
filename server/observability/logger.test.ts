import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LogFile } from './log-file.ts';
import { sweepLogs } from './log-retention.ts';
import { createLogger, type LogFields, type LoggerOptions } from './logger.ts';

/** A stdout that keeps what was written. */
class Captured extends Writable {
  text = '';
  writes = 0;

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.writes += 1;
    this.text += chunk.toString();
    callback();
  }

  lines(): Record<string, unknown>[] {
    return parseLines(this.text);
  }
}

let dir: string;
let stdout: Captured;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tandem-log-'));
  stdout = new Captured();
});

afterEach(async () => {
  jest.useRealTimers();
  await rm(dir, { recursive: true, force: true });
});

function logger(options: Partial<LoggerOptions> = {}) {
  return createLogger({
    level: 'info',
    dir: null,
    retentionDays: 14,
    format: 'json',
    instanceId: 'i-1',
    stdout,
    ...options,
  });
}

function parseLines(content: string): Record<string, unknown>[] {
  return content
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

describe('a log line', () => {
  it('has time, level, event, instance and the given fields', async () => {
    const log = logger();
    log.info('server_started', { port: 3001, state: 'memory', limits: { messages_user: { points: 10 } } });
    await log.close();
    expect(stdout.lines()).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
        level: 'info',
        event: 'server_started',
        instanceId: 'i-1',
        port: 3001,
        state: 'memory',
        limits: { messages_user: { points: 10 } },
      },
    ]);
  });

  it('drops every field that is not on the list, and values of another type', async () => {
    const log = logger();
    const planted = {
      token: 'SECRET-1',
      body: 'SECRET-2',
      password: 'SECRET-3',
      reason: { nested: 'SECRET-4' },
      port: 'SECRET-5',
      ip: 'SECRET-6',
      limits: ['SECRET-7'],
      error: { message: 'SECRET-8' },
      instanceId: 'SECRET-9',
    };
    log.info('auth_failed', planted as unknown as LogFields);
    await log.close();
    expect(stdout.text).not.toContain('SECRET');
    expect(stdout.lines()[0]).toMatchObject({ event: 'auth_failed', instanceId: 'i-1', ip: 'unknown' });
  });

  it('masks addresses', async () => {
    const log = logger();
    for (const ip of ['192.0.2.77', '::ffff:192.0.2.77', '2001:db8:1:2:3::4']) log.info('connection_opened', { ip });
    await log.close();
    expect(stdout.lines().map((line) => line.ip)).toEqual(['192.0.2.x', '192.0.2.x', '2001:db8:1::/48']);
  });

  it('keeps name, message and stack of an error and nothing else of it', async () => {
    const log = logger();
    const error = Object.assign(new TypeError('broken'), { body: 'SECRET', cause: new Error('SECRET') });
    log.error('internal_error', { error });
    await log.close();
    expect(stdout.text).not.toContain('SECRET');
    expect(stdout.lines()[0]?.error).toEqual({ name: 'TypeError', message: 'broken', stack: error.stack });
  });

  it('masks what the error of a library repeats, and who a mail went to', async () => {
    const log = logger();
    const error = new Error('connect redis://app:SECRET@192.0.2.77:6379 for SECRETive@example.com, code BCD234');
    log.error('internal_error', { error, reason: 'from SECRETive@example.com', recipient: 'SECRETive@example.com' });
    await log.close();
    expect(stdout.text).not.toMatch(/SECRET|BCD234|192\.0\.2\.77/);
    expect(stdout.lines()[0]).toMatchObject({
      recipient: 'S***@example.com',
      reason: 'from S***@example.com',
      error: { message: 'connect redis://***@192.0.2.x:6379 for S***@example.com, code ***' },
    });
  });

  it('has no secret of the configuration, whatever it looks like, cut or not', async () => {
    const log = logger({ secrets: ['correct-horse-battery', 'aB/c+d9='] });
    const error = new Error('WRONGPASS correct-horse-battery, aB/c+d9=');
    log.error('internal_error', { error, reason: `${'x '.repeat(100)}${'correct-horse-battery'.repeat(20)}` });
    await log.close();
    expect(stdout.text).not.toMatch(/correct-h|aB\/c/);
    expect(stdout.lines()[0]).toMatchObject({ error: { message: 'WRONGPASS ***, ***' } });
  });

  it('keeps the id that a proxy gave a request, and no token that a caller gives as one', async () => {
    const log = logger();
    const ids = ['0a1b2c3d4e5f60718293a4b5c6d7e8f9', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'];
    for (const requestId of ids) log.info('auth_failed', { requestId });
    await log.close();
    expect(stdout.lines().map((line) => line.requestId)).toEqual([ids[0], '[token]']);
  });

  it('stays one line, and short, whatever a client sends as a command', async () => {
    const log = logger();
    log.info('rate_limit_exceeded', { command: `a\n{"event":"forged"}${'x'.repeat(60_000)}` });
    await log.close();
    expect(stdout.lines()).toHaveLength(1);
    expect(stdout.text.length).toBeLessThan(600);
  });

  it('is for people when the format is pretty, and cannot be forged by a line feed', async () => {
    const log = logger({ format: 'pretty' });
    log.warn('db_error', { reason: 'two words', durationMs: 1.23456, error: new Error('first\n12:00:00 INFO forged') });
    await log.close();
    const [first, ...rest] = stdout.text.trimEnd().split('\n');
    expect(first).toMatch(/^\d{2}:\d{2}:\d{2}\.\d{3} WARN {2}db_error reason="two words" durationMs=1\.235$/);
    expect(rest.every((line) => line.startsWith('    '))).toBe(true);
  });

  it('is written from the configured level up', async () => {
    const log = logger({ level: 'warn' });
    log.debug('message_sent');
    log.info('session_created');
    log.warn('redis_lost');
    log.error('archive_failed');
    await log.close();
    expect(stdout.lines().map((line) => line.level)).toEqual(['warn', 'error']);
  });
});

describe('a flood of refusals', () => {
  it('becomes twenty lines of each kind in ten seconds, and one that counts the others', async () => {
    jest.useFakeTimers({ doNotFake: ['Date', ...REAL_TIMERS.filter((name) => !name.endsWith('Timeout'))] });
    const log = logger();
    for (let count = 0; count < 50; count += 1) {
      log.info('auth_failed', { reason: 'login', ip: '192.0.2.1' });
      log.info('auth_failed', { reason: 'api_key' });
      log.info('connection_opened');
    }
    const failures = () => stdout.lines().filter((line) => line.event === 'auth_failed');
    await nextTurn();
    expect(failures()).toHaveLength(40);
    expect(stdout.lines()).toHaveLength(90);
    jest.advanceTimersByTime(10_000);
    await nextTurn();
    expect(failures().slice(40)).toEqual([
      expect.objectContaining({ level: 'info', reason: 'login', suppressed: 30 }),
      expect.objectContaining({ level: 'info', reason: 'api_key', suppressed: 30 }),
    ]);
    // A window of its own, whose end is the end of the logger.
    for (let count = 0; count < 21; count += 1) log.info('auth_failed', { reason: 'login' });
    await log.close();
    expect(failures().slice(42)).toHaveLength(21);
    expect(failures().at(-1)).toMatchObject({ reason: 'login', suppressed: 1 });
    expect(log.dropped()).toBe(0);
  });

  it('stays within bounds when its kinds do not', async () => {
    const log = logger();
    for (let count = 0; count < 2000; count += 1) log.warn('security_event', { reason: `reason ${count}` });
    await log.close();
    expect(stdout.lines()).toHaveLength(521);
    expect(stdout.lines().at(-1)).toMatchObject({ event: 'security_event', suppressed: 1480 });
  });
});

describe('log files', () => {
  it('hold every line when the logger is closed right after a burst', async () => {
    const log = logger({ dir });
    for (let count = 0; count < 5000; count += 1) log.info('session_created', { count });
    await log.close();
    const lines = parseLines(await readFile(join(dir, `${today()}.log`), 'utf8'));
    expect(lines.map((line) => line.count)).toEqual(Array.from({ length: 5000 }, (_, index) => index));
    expect(log.dropped()).toBe(0);
  }, 30_000);

  it('are one per UTC day', async () => {
    jest.useFakeTimers({ now: new Date('2026-01-31T23:59:59.999Z'), doNotFake: [...REAL_TIMERS] });
    const log = logger({ dir });
    log.info('session_created', { count: 1 });
    jest.setSystemTime(new Date('2026-02-01T00:00:00.000Z'));
    log.info('session_created', { count: 2 });
    await log.close();
    expect((await readdir(dir)).sort()).toEqual(['2026-01-31.log', '2026-02-01.log']);
    expect(parseLines(await readFile(join(dir, '2026-02-01.log'), 'utf8'))[0]?.count).toBe(2);
  });

  it('go on in a file with a number when one is long enough, also after a restart', async () => {
    for (const start of [0, 100]) {
      const file = new LogFile({ dir, retentionDays: 14, maxFileBytes: 1024 });
      for (let line = start; line < start + 100; line += 1)
        file.write(`{"line":${100 + line},"text":"${'x'.repeat(40)}"}\n`);
      await file.close();
      expect(file.dropped()).toBe(0);
    }
    const names = (await readdir(dir)).sort(
      (one, other) => Number(/\.(\d+)\./.exec(one)?.[1] ?? 0) - Number(/\.(\d+)\./.exec(other)?.[1] ?? 0),
    );
    expect(names.slice(0, 2)).toEqual([`${today()}.log`, `${today()}.1.log`]);
    const contents = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
    for (const content of contents) expect(content.length).toBeLessThan(1024 + 2 * 70);
    expect(parseLines(contents.join('')).map((line) => line.line)).toEqual(
      Array.from({ length: 200 }, (_, n) => n + 100),
    );
  });

  it.each([
    ['exits', 'process.exit(1)'],
    ['throws', 'throw new Error("nobody catches this")'],
  ])(
    'hold every line of a process that %s amid a burst',
    async (_how, end) => {
      const script = `
      const { createLogger } = await import(${JSON.stringify(new URL('./logger.ts', import.meta.url).href)});
      const log = createLogger({ level: 'info', dir: ${JSON.stringify(dir)}, retentionDays: 14, format: 'json', instanceId: 'i' });
      log.info('server_started');
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (let count = 0; count < 500; count += 1) log.info('session_created', { count });
      setImmediate(() => { log.info('server_stopped'); ${end} });`;
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
      const [printed, ended] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      expect(ended).toEqual([1, null]);
      expect(parseLines(printed).map(({ event }) => event)).toEqual([
        'server_started',
        ...Array.from({ length: 500 }, () => 'session_created'),
        'server_stopped',
      ]);
      const lines = parseLines(await readFile(join(dir, `${today()}.log`), 'utf8'));
      const counts = new Set(lines.filter(({ event }) => event === 'session_created').map(({ count }) => count));
      expect(counts.size).toBe(500);
      // The line under way may be written twice.
      expect(lines.length).toBeLessThanOrEqual(503);
    },
    30_000,
  );

  const posixOnly = process.platform === 'win32' ? it.skip : it;
  posixOnly('are not for everybody to read, nor is their directory', async () => {
    const logs = join(dir, 'a', 'logs');
    const log = logger({ dir: logs });
    log.info('server_started');
    await log.close();
    await writeFile(join(logs, '2026-01-01.log'), 'old');
    await sweepLogs(logs, 100_000, today());
    expect((await fs.promises.stat(logs)).mode & 0o777).toBe(0o750);
    for (const name of [`${today()}.log`, '2026-01-01.log.gz']) {
      expect([name, (await fs.promises.stat(join(logs, name))).mode & 0o777]).toEqual([name, 0o640]);
    }
  });

  it('go after the retention, are compressed from the day before yesterday, and foreign files stay', async () => {
    const names = [
      '2026-01-01.log',
      '2026-01-01.3.log',
      '2026-01-17.log.gz',
      '2026-01-18.log',
      '2026-01-29.log',
      '2026-01-29.1.log',
      '2026-01-30.log',
    ];
    for (const name of [...names, '2026-01-01.log.gz.77.tmp', 'notes.txt']) await writeFile(join(dir, name), name);
    await sweepLogs(dir, 14, '2026-01-31');
    expect((await readdir(dir)).sort()).toEqual([
      '2026-01-18.log.gz',
      '2026-01-29.1.log.gz',
      '2026-01-29.log.gz',
      '2026-01-30.log',
      'notes.txt',
    ]);
    expect(gunzipSync(await readFile(join(dir, '2026-01-29.log.gz'))).toString()).toBe('2026-01-29.log');
  });

  it('close twice without harm, and count lines that come after', async () => {
    const log = logger({ dir });
    log.info('server_started');
    await log.close();
    await log.close();
    log.info('server_stopped');
    expect(log.dropped()).toBe(1);
    expect(stdout.lines()).toHaveLength(1);
  });
});

describe('standard output', () => {
  it('gets the lines of one turn of the event loop in one write, and those of many in some', async () => {
    const log = logger();
    for (let count = 0; count < 10; count += 1) log.info('session_created', { count });
    expect(stdout.writes).toBe(0);
    await nextTurn();
    expect(stdout.writes).toBe(1);
    expect(stdout.lines().map(({ count }) => count)).toEqual(Array.from({ length: 10 }, (_, count) => count));
    for (let count = 0; count < 1000; count += 1) log.info('session_created', { count });
    // 64 KiB are enough for one.
    expect(stdout.writes).toBeGreaterThan(1);
    await log.close();
    expect(stdout.lines()).toHaveLength(1010);
    expect(log.dropped()).toBe(0);
  });
});

describe('outputs that fail', () => {
  it('costs the lines and nothing else when the disk is full', async () => {
    await symlink('/dev/full', join(dir, `${today()}.log`));
    const log = logger({ dir });
    for (let count = 0; count < 100; count += 1) log.info('session_created', { count });
    await log.close();
    expect(log.dropped()).toBe(100);
    expect(stdout.lines().filter((line) => line.event === 'session_created')).toHaveLength(100);
    expect(stdout.lines().filter((line) => line.event === 'log_file_failed')).toHaveLength(1);
  });

  it('costs one line when the disk fills up amid it, and the next one can be read', async () => {
    let room = 25;
    const file = new LogFile({
      dir,
      retentionDays: 14,
      writeToDisk: (fd, buffer, offset, length, position, callback) => {
        const fits = Math.min(room, length);
        room -= fits;
        if (fits > 0) fs.write(fd, buffer, offset, fits, position, callback);
        else callback(Object.assign(new Error('disk full'), { code: 'ENOSPC' }), 0, buffer);
      },
    });
    for (let line = 1; line <= 3; line += 1) file.write(`{"count":1,"line":${line}}\n`);
    await eventually(() => Promise.resolve(file.dropped() === 2));
    room = 1000;
    file.write('{"line":4}\n');
    await file.close();
    const content = await readFile(join(dir, `${today()}.log`), 'utf8');
    expect(content).toBe('{"count":1,"line":1}\n{"co\n{"line":4}\n');
    expect(file.dropped()).toBe(2);
  });

  it('counts lines when the directory cannot be made, and goes on with stdout', async () => {
    await writeFile(join(dir, 'file'), '');
    const log = logger({ dir: join(dir, 'file', 'logs') });
    log.info('server_started');
    log.info('server_stopped');
    await log.close();
    expect(log.dropped()).toBe(2);
    expect(stdout.lines().map((line) => line.event)).toEqual(['server_started', 'log_file_failed', 'server_stopped']);
  });

  it('says once on stdout that files are not written, and once that they are again, with the lines lost', async () => {
    jest.useFakeTimers({ doNotFake: ['Date', ...REAL_TIMERS.filter((name) => name !== 'performance')] });
    const parent = join(dir, 'parent');
    await writeFile(parent, '');
    const log = logger({ dir: join(parent, 'logs') });
    for (let count = 0; count < 3; count += 1) log.info('session_created', { count });
    // Tried again, in vain.
    jest.advanceTimersByTime(5001);
    log.info('session_created', { count: 3 });
    const notices = () => stdout.lines().filter((line) => String(line.event).startsWith('log_file_'));
    await nextTurn();
    expect(notices()).toEqual([
      expect.objectContaining({ level: 'warn', event: 'log_file_failed', count: 1, error: expect.anything() }),
    ]);
    await rm(parent);
    jest.advanceTimersByTime(5001);
    log.info('session_created', { count: 4 });
    log.info('session_created', { count: 5 });
    await eventually(() => Promise.resolve(notices().length === 2));
    expect(notices()[1]).toMatchObject({ level: 'warn', event: 'log_file_recovered', count: 4, instanceId: 'i-1' });
    await log.close();
    expect(notices()).toHaveLength(2);
    const written = parseLines(await readFile(join(parent, 'logs', `${today()}.log`), 'utf8'));
    expect(written.map((line) => line.count)).toEqual([4, 5]);
    expect(log.dropped()).toBe(4);
  });

  it('says it once of a disk that takes some lines and not others', async () => {
    const turns: boolean[] = [];
    let writes = 0;
    const file = new LogFile({
      dir,
      retentionDays: 14,
      onTurn: ({ isWell }) => turns.push(isWell),
      writeToDisk: (fd, buffer, offset, length, position, callback) => {
        writes += 1;
        if (writes % 2 === 0) fs.write(fd, buffer, offset, length, position, callback);
        else callback(Object.assign(new Error('disk full'), { code: 'ENOSPC' }), 0, buffer);
      },
    });
    for (let line = 1; line <= 20; line += 1) file.write(`{"line":${line}}\n`);
    await file.close();
    expect(file.dropped()).toBe(10);
    expect(turns).toEqual([false]);
  });

  it('tells of lost files in the format and from the level of stdout', async () => {
    await writeFile(join(dir, 'file'), '');
    const pretty = logger({ dir: join(dir, 'file', 'logs'), format: 'pretty' });
    pretty.info('server_started');
    await pretty.close();
    expect(stdout.text).toMatch(/^\d{2}:\d{2}:\d{2}\.\d{3} WARN {2}log_file_failed count=1$/m);
    stdout.text = '';
    const quiet = logger({ dir: join(dir, 'file', 'logs'), level: 'error' });
    quiet.error('internal_error');
    await quiet.close();
    expect(stdout.lines().map((line) => line.event)).toEqual(['internal_error']);
  });

  it('makes a vanished directory anew', async () => {
    const logs = join(dir, 'logs');
    const file = new LogFile({ dir: logs, retentionDays: 14, checkMs: 0, retryMs: 0 });
    file.write('first\n');
    await eventually(async () => (await readFile(join(logs, `${today()}.log`), 'utf8')) === 'first\n');
    await rm(logs, { recursive: true });
    await eventually(async () => {
      file.write('second\n');
      return (await readFile(join(logs, `${today()}.log`), 'utf8')).startsWith('second\n');
    });
    await file.close();
  });

  it('drops lines rather than filling the memory when a reader stops, and knows when it lost the last', async () => {
    const stopped = new Writable({ write: () => undefined });
    const log = logger({ stdout: stopped });
    expect(log.droppedAt()).toBeNull();
    const startedAt = performance.now();
    const error = new Error('x'.repeat(8000));
    for (let count = 0; count < 3000; count += 1) log.info('db_error', { error });
    expect(log.dropped()).toBeGreaterThan(0);
    expect(stopped.writableLength).toBeLessThan(9 * 1024 * 1024);
    const lostAt = log.droppedAt() ?? 0;
    expect([lostAt >= startedAt, lostAt <= performance.now()]).toEqual([true, true]);
    await nextTurn();
    expect(log.droppedAt()).toBe(lostAt);
    stopped.destroy();
    await log.close();
  });

  it('survives a stdout whose reader is gone, in a process of its own', async () => {
    const script = `
      const { createLogger } = await import(${JSON.stringify(new URL('./logger.ts', import.meta.url).href)});
      const log = createLogger({ level: 'info', dir: ${JSON.stringify(dir)}, retentionDays: 14, format: 'json', instanceId: 'i' });
      process.stdin.once('data', async () => {
        for (let count = 0; count < 50; count += 1) {
          log.info('session_created', { count });
          await new Promise(setImmediate);
        }
        await log.close();
        process.stderr.write('dropped ' + log.dropped());
        process.stdin.destroy();
      });
      process.stderr.write('ready ');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await once(child.stderr, 'data');
    child.stdout.destroy();
    const said = text(child.stderr);
    child.stdin.write('go');
    const [exitCode] = (await once(child, 'exit')) as [number | null];
    expect(exitCode).toBe(0);
    expect(Number(/dropped (\d+)/.exec(await said)?.[1])).toBeGreaterThan(0);
    expect(parseLines(await readFile(join(dir, `${today()}.log`), 'utf8'))).toHaveLength(50);
  });
});

/** Everything but `Date`. */
const REAL_TIMERS = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

/** What one turn of the event loop has written is handed over at its end. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Tries until it holds; a test that never gets there ends with jest's own timeout. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const isTrue = await holds().catch(() => false);
    if (isTrue) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
