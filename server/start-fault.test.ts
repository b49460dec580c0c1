import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UnmetDurabilityError } from './backbone/redis-backbone.ts';
import { loadConfig, type Config } from './config.ts';
import { exitCodeOf, startFault } from './start-fault.ts';

function configOf(env: Record<string, string>): Config {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  return loaded.config;
}

const config = configOf({ HOST: '127.0.0.1', PORT: '80', DATA_DIR: '/srv/tandem/data' });

function systemError(fields: { code: string; syscall: string; path?: string }): Error {
  return Object.assign(new Error(fields.code), fields);
}

describe('the sentence about a start that failed', () => {
  it.each([
    [{ code: 'EADDRINUSE', syscall: 'listen' }, /^PORT: 80 on 127\.0\.0\.1 .*another PORT\.$/],
    [{ code: 'EACCES', syscall: 'listen' }, /^PORT: 80 on 127\.0\.0\.1 .*1024 or higher\.$/],
    [{ code: 'EADDRNOTAVAIL', syscall: 'listen' }, /^HOST: 127\.0\.0\.1 /],
    [{ code: 'ENOTFOUND', syscall: 'getaddrinfo' }, /^HOST: 127\.0\.0\.1 /],
    [{ code: 'EEXIST', syscall: 'mkdir', path: '/srv/tandem/data' }, /^DATA_DIR: \/srv\/tandem\/data .*no directory/],
    [{ code: 'EACCES', syscall: 'mkdir', path: '/srv/tandem' }, /^DATA_DIR: \/srv\/tandem\/data .*may not write/],
    [{ code: 'EROFS', syscall: 'open', path: '/srv/tandem/data/lock.json.1' }, /^DATA_DIR: .*read-only/],
    [{ code: 'EACCES', syscall: 'mkdtemp', path: path.join(tmpdir(), 'tandem-x') }, /^TMPDIR: .*may not write/],
  ])('names the variable and what to do: %j', (fields, expected) => {
    const sentence = startFault(systemError(fields), config);
    expect(sentence).toMatch(expected);
    expect(sentence).toContain(fields.code);
    expect(sentence).not.toContain('\n');
  });

  it('looks at the cause of an error as well', () => {
    const cause = systemError({ code: 'ENOSPC', syscall: 'write', path: '/srv/tandem/data/postgres' });
    expect(startFault(new Error('did not start', { cause }), config)).toMatch(/^DATA_DIR: .*disk is full/);
  });

  it('is silent about what no operator brings about', () => {
    expect(startFault(new Error('a fault of ours'), config)).toBeNull();
    expect(startFault(systemError({ code: 'EACCES', syscall: 'open', path: '/srv/tandem-other' }), config)).toBeNull();
    expect(startFault('text', config)).toBeNull();
  });
});

describe('the exit code of a start that failed', () => {
  it('is that of a faulty configuration when the store cannot give the durability that was asked for', () => {
    const unmet = new UnmetDurabilityError('redis_always', 'redis_memory');
    expect(exitCodeOf(unmet)).toBe(78);
    expect(exitCodeOf(new Error('did not start', { cause: unmet }))).toBe(78);
    expect(exitCodeOf(new Error('another'))).toBe(1);
    expect(exitCodeOf('text')).toBe(1);
  });
});
