import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runScript, type ChildScript } from '../../test/support/child-script.ts';
import { emptyDataDirectory, type DataDirectory } from '../../test/support/data-directory.ts';
import { eventually } from '../../test/support/eventually.ts';
import { DataDirectoryInUseError, lockDataDirectory, type DataDirectoryLock } from './data-directory-lock.ts';

const OPTIONS = { scratchDirectory: '/tmp/nothing', onLost: () => {} };

describe('data directory lock', () => {
  let directory: DataDirectory;
  let dir: string;
  let lockFile: string;
  const children: ChildScript[] = [];
  const locks: DataDirectoryLock[] = [];

  beforeEach(async () => {
    directory = await emptyDataDirectory();
    dir = directory.dir;
    lockFile = join(dir, 'lock.json');
  });
  afterEach(async () => {
    await Promise.all(locks.splice(0).map((lock) => lock.release()));
    await Promise.all(children.splice(0).map((child) => child.kill()));
    await directory.remove();
  });

  async function take(): Promise<DataDirectoryLock> {
    const lock = await lockDataDirectory(dir, OPTIONS);
    locks.push(lock);
    return lock;
  }

  const posixOnly = process.platform === 'win32' ? it.skip : it;
  posixOnly('makes a directory that nobody else can look into', async () => {
    const fresh = join(dir, 'a', 'data');
    locks.push(await lockDataDirectory(fresh, OPTIONS));
    expect((await stat(fresh)).mode & 0o777).toBe(0o700);
  });

  async function contender(): Promise<ChildScript> {
    const child = runScript('test/support/lock-process.ts', dir);
    children.push(child);
    expect(await child.nextLine()).toBe('ready');
    return child;
  }

  async function holder(): Promise<ChildScript> {
    const child = await contender();
    child.writeLine('take');
    expect(await child.nextLine()).toBe('locked');
    return child;
  }

  /** A lock file as somebody else would have left it. */
  async function leave(holder: object, ageMs: number): Promise<string> {
    const text = JSON.stringify({ ...(await ownHolder()), ...holder });
    await writeFile(lockFile, text);
    await setAge(lockFile, ageMs);
    return text;
  }

  async function ownHolder(): Promise<object> {
    const lock = await take();
    const holder: unknown = JSON.parse(await readFile(lockFile, 'utf8'));
    await lock.release();
    if (typeof holder !== 'object' || holder === null) throw new Error('The lock file names nobody');
    return holder;
  }

  it('makes the directory, and leaves nothing behind', async () => {
    dir = join(dir, 'below', 'it');
    const lock = await take();
    expect(await readdir(dir)).toEqual(['lock.json']);
    await lock.release();
    await lock.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('refuses while the holder lives, and says who and what to do', async () => {
    const child = await holder();
    const refusal = await lockDataDirectory(dir, OPTIONS).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DataDirectoryInUseError);
    expect(String(refusal)).toContain(dir);
    expect(String(refusal)).toContain(`process ${child.pid} on host ${hostname()}`);
    expect(String(refusal)).toContain('another DATA_DIR');
    child.writeLine('release');
    expect(await child.exit).toBe(0);
    await take();
  });

  it('refuses a second time in the same process', async () => {
    await take();
    await expect(take()).rejects.toThrow(DataDirectoryInUseError);
  });

  it('is taken over at once after kill -9', async () => {
    const child = await holder();
    await child.kill();
    const lock = await take();
    expect(lock.predecessor).toMatchObject({ pid: child.pid, scratchDirectory: '/tmp/of-the-lock-process' });
    expect(await readdir(dir)).toEqual(['lock.json']);
    await expect(take()).rejects.toThrow(DataDirectoryInUseError);
  });

  it('is taken over when another process has the pid of the holder', async () => {
    await leave({ pid: process.pid, startTime: '1' }, 0);
    await take();
  });

  it.each(['nobody held it', 'its holder was killed', 'its holder and his successor were killed'])(
    'goes to exactly one of several that start at once, when %s',
    async (before) => {
      if (before !== 'nobody held it') await (await holder()).kill();
      if (before === 'its holder and his successor were killed') await succeedAndDie();
      const contenders = await Promise.all([contender(), contender(), contender(), contender()]);
      for (const child of contenders) child.writeLine('take');
      const answers = await Promise.all(contenders.map((child) => child.nextLine()));
      const winner = contenders[answers.indexOf('locked')];
      expect(answers.filter((answer) => answer === 'locked')).toHaveLength(1);
      expect(answers.filter((answer) => answer.startsWith('refused: '))).toHaveLength(3);
      const held: unknown = JSON.parse(await readFile(lockFile, 'utf8'));
      expect(held).toMatchObject({ pid: winner?.pid });
    },
    60_000,
  );

  it('goes to exactly one of many calls that interleave, over a chain of the dead', async () => {
    for (let round = 0; round < 20; round += 1) {
      const first = await leave({ pid: process.pid, startTime: '1' }, 0);
      const digest = createHash('sha256').update(first).digest('hex').slice(0, 32);
      if (round % 2 === 1) await writeFile(`${lockFile}.${digest}`, first.replace('"1"', '"2"'));
      const results = await Promise.allSettled(Array.from({ length: 20 }, take));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(DataDirectoryInUseError);
      }
      await locks.pop()?.release();
      expect(await readdir(dir)).toEqual([]);
    }
  });

  /** A process that won the right to succeed the holder, and was killed before it put its own file in place. */
  async function succeedAndDie(): Promise<void> {
    const dead = await readFile(lockFile, 'utf8');
    const elsewhere = join(dir, 'elsewhere');
    await mkdir(elsewhere);
    const child = runScript('test/support/lock-process.ts', elsewhere);
    children.push(child);
    child.writeLine('take');
    expect([await child.nextLine(), await child.nextLine()]).toEqual(['ready', 'locked']);
    await child.kill();
    const digest = createHash('sha256').update(dead).digest('hex').slice(0, 32);
    await rename(join(elsewhere, 'lock.json'), `${lockFile}.${digest}`);
  }

  describe('held by a process that cannot be looked up', () => {
    const FOREIGN = { bootId: 'another boot', pidNamespace: 'pid:[1]', hostname: 'another-host', pid: 1 };

    it('is taken over after 10 s of silence', async () => {
      await leave(FOREIGN, 10_500);
      expect((await take()).predecessor).toMatchObject(FOREIGN);
    });

    it('is taken over as soon as the 10 s are over', async () => {
      await leave(FOREIGN, 9_000);
      await take();
      expect(await ageOf(lockFile)).toBeLessThan(5_000);
    });

    it('is refused while its holder is heard', async () => {
      await leave(FOREIGN, 0);
      const heart = setInterval(() => void setAge(lockFile, 0), 100);
      try {
        await expect(take()).rejects.toThrow(/process 1 on host another-host/);
      } finally {
        clearInterval(heart);
      }
    });

    it('is taken over when it says nothing and is old: the power failed while it was written', async () => {
      await writeFile(lockFile, '');
      await setAge(lockFile, 20_000);
      expect((await take()).predecessor).toBeNull();
    });
  });

  it('is heard every second', async () => {
    await take();
    await setAge(lockFile, 60_000);
    await eventually(async () => expect(await ageOf(lockFile)).toBeLessThan(30_000));
    expect(JSON.parse(await readFile(lockFile, 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('tells its holder when somebody else took it', async () => {
    const lost = new Promise<Error>((onLost) => {
      void lockDataDirectory(dir, { ...OPTIONS, onLost }).then((lock) => locks.push(lock));
    });
    await eventually(async () => expect(await readdir(dir)).toEqual(['lock.json']));
    await writeFile(join(dir, 'other'), '{}');
    await rename(join(dir, 'other'), lockFile);
    expect((await lost).message).toContain(lockFile);
    await Promise.all(locks.splice(0).map((lock) => lock.release()));
    expect(await readFile(lockFile, 'utf8')).toBe('{}');
  });
});

async function setAge(path: string, ageMs: number): Promise<void> {
  const at = new Date(Date.now() - ageMs);
  await utimes(path, at, at);
}

async function ageOf(path: string): Promise<number> {
  return Date.now() - (await stat(path)).mtimeMs;
}
