import { execFile, execFileSync } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = path.join(import.meta.dirname, '..');

interface Run {
  readonly code: number;
  readonly output: string;
}

function run(
  program: string,
  parameters: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Run> {
  return new Promise((resolve) => {
    execFile(program, [...parameters], options, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

/**
 * A machine of stand-ins: setup.sh finds on its PATH what this directory holds and nothing else. Each of them writes down
 * what it was asked to do.
 */
describe('setup.sh', () => {
  let home: string;
  let bin: string;

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'tandem-setup-'));
    bin = path.join(home, 'bin');
    await mkdir(bin);
    await copyFile(path.join(ROOT, 'setup.sh'), path.join(home, 'setup.sh'));
    for (const name of ['bash', 'cat', 'dirname', 'env', 'ls', 'uname']) {
      const where = execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
      await symlink(where, path.join(bin, name));
    }
    await standIn('node', 'if [ "$1" = -p ]; then echo "$NODE_VERSION"; else echo "node $*" >> "$SAID"; fi');
    await standIn('npm', 'echo "npm $*" >> "$SAID"');
    await standIn('id', 'echo 1000');
    await standIn('apt-get', 'exit 1');
    await standIn(
      'sudo',
      `case "$*" in
  '-n true') [ -z "$NO_ROOT" ]; exit $? ;;
  'test -e '*) [ -n "$HAS_POLICY" ]; exit $? ;;
  tee*) echo "sudo $*: $(cat)" >> "$SAID" ;;
  *'apt-get install'*) echo "sudo $*" >> "$SAID"; exit "$INSTALL" ;;
  *) echo "sudo $*" >> "$SAID" ;;
esac`,
    );
  });

  afterAll(() => rm(home, { recursive: true }));

  async function standIn(name: string, script: string): Promise<void> {
    await writeFile(path.join(bin, name), `#!/bin/bash\n${script}\n`);
    await chmod(path.join(bin, name), 0o755);
  }

  async function setup(parameters: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const said = path.join(home, 'said');
    await writeFile(said, '');
    const machine = {
      PATH: bin,
      SAID: said,
      NODE_VERSION: '24.1.0',
      INSTALL: '0',
      HAS_POLICY: '',
      NO_ROOT: '',
      ...env,
    };
    const result = await run('/bin/bash', [path.join(home, 'setup.sh'), ...parameters], { cwd: home, env: machine });
    return { ...result, said: await readFile(said, 'utf8') };
  }

  it('is clean for shellcheck', () => {
    expect(execFileSync('shellcheck', [path.join(ROOT, 'setup.sh'), path.join(ROOT, '.ci/run')]).toString()).toBe('');
  });

  it('keeps the services down that it installs for the tests, whether or not that succeeds', async () => {
    const good = await setup(['test']);
    expect(good.code).toBe(0);
    const steps = good.said.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(steps.map((step) => step.replace(/(install).*/, '$1'))).toEqual([
      'node scripts/setup.js',
      'sudo apt-get update -qq',
      'sudo tee /usr/sbin/policy-rc.d: #!/bin/sh',
      'exit 101',
      'sudo chmod 755 /usr/sbin/policy-rc.d',
      'sudo env DEBIAN_FRONTEND=noninteractive apt-get install',
      'sudo rm -f /usr/sbin/policy-rc.d',
      ...steps.filter((step) => step.startsWith('sudo systemctl disable')),
      'npm run --silent check',
    ]);
    for (const name of ['prometheus', 'shellcheck', 'redis-server']) expect(good.said).toContain(` ${name}`);

    const bad = await setup(['test'], { INSTALL: '100' });
    expect(bad.code).toBe(1);
    expect(bad.output).toContain('apt-get could not install:');
    expect(bad.said.trim().split('\n').at(-1)).toBe('sudo rm -f /usr/sbin/policy-rc.d');
  });

  it('leaves a policy alone that is there already', async () => {
    const { code, said } = await setup(['test'], { HAS_POLICY: 'yes' });
    expect(code).toBe(0);
    expect(said).toContain('apt-get install');
    expect(said).not.toContain('policy-rc.d');
  });

  it('does without a Redis of its own where one is named and none can be installed, and says what that costs', async () => {
    const others = ['initdb', 'openssl', 'nginx', 'promtool', 'shellcheck'];
    for (const name of others) await standIn(name, '');
    try {
      const without = await setup(['test'], { NO_ROOT: 'yes' });
      expect(without).toMatchObject({ code: 1, said: 'node scripts/setup.js\n' });
      expect(without.output).toMatch(/Installing needs root[^]*apt-get install -y redis-server redis-tools/);
      const named = await setup(['test'], { NO_ROOT: 'yes', TEST_REDIS_URL: 'redis://elsewhere' });
      expect(named).toMatchObject({ code: 0, said: 'node scripts/setup.js\nnpm run --silent check\n' });
      expect(named.output).toMatch(/Going on without: redis-server redis-tools\n.*servers of their own fail/);
      await rm(path.join(bin, 'openssl'));
      expect((await setup(['test'], { NO_ROOT: 'yes', TEST_REDIS_URL: 'redis://elsewhere' })).code).toBe(1);
    } finally {
      for (const name of others) await rm(path.join(bin, name), { force: true });
    }
  });

  it.each([
    ['18.20.4', 1, /needs Node\.js 20\.19 or newer; .*\/node is 18\.20\.4/],
    ['20.18.1', 1, /needs Node\.js 20\.19 or newer/],
    ['', 1, /Not understood/],
    ['20.19.0', 0, /past its end of life/],
    ['24.0.0', 0, /^Ready\./],
  ])('says of Node.js "%s" what is to be done', async (version, code, words) => {
    const result = await setup([], { NODE_VERSION: version });
    expect(result.output).toMatch(words);
    expect(result.code).toBe(code);
  });

  it('says how several instances get a Redis, and refuses what it does not understand', async () => {
    expect((await setup([])).output).toMatch(/Several instances share a Redis 7[^]*apt-get install redis-server/);
    expect(await setup(['strat'])).toMatchObject({ code: 2, said: '' });
    expect((await setup(['start', '--wan'])).output).toContain('not understood: --wan');
  });
});

describe('scripts/setup.js', () => {
  let home: string;
  const setup = (parameters: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    run(process.execPath, [path.join(home, 'scripts/setup.js'), ...parameters], {
      cwd: home,
      env: { PATH: process.env['PATH'], ...env },
    });

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'tandem-setup-'));
    await cp(path.join(ROOT, 'scripts'), path.join(home, 'scripts'), { recursive: true });
    // No dependencies and a build that makes nothing: what is left is the writing of .env.
    const build = { name: 'stand-in', version: '1.0.0', scripts: { build: 'mkdir -p dist' }, type: 'module' };
    const lock = {
      name: 'stand-in',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: { '': { name: 'stand-in', version: '1.0.0' } },
    };
    await writeFile(path.join(home, 'package.json'), JSON.stringify(build));
    await writeFile(path.join(home, 'package-lock.json'), JSON.stringify(lock));
    await mkdir(path.join(home, 'node_modules'));
  });

  afterAll(() => rm(home, { recursive: true }));

  it('names what holds the port, and the way out; a free one and port 0 pass without a word', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo; // a listening TCP server has one
    const taken = await setup(['port'], { PORT: String(port) });
    await new Promise((resolve) => holder.close(resolve));
    expect(taken.code).toBe(1);
    expect(taken.output).toMatch(new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is taken.*\\. Stop .* PORT=3002`));
    expect(await setup(['port'], { PORT: String(port) })).toEqual({ code: 0, output: '' });
    expect(await setup(['port'], { PORT: '0' })).toEqual({ code: 0, output: '' });
    // The server says what is wrong with it.
    expect(await setup(['port'], { PORT: 'abc' })).toEqual({ code: 0, output: '' });
  });

  it('writes .env with fresh secrets for its owner alone, and never touches one that is there', async () => {
    const file = path.join(home, '.env');
    expect((await setup([])).output).toContain('Wrote .env');
    const first = parseEnv(await readFile(file, 'utf8'));
    for (const name of ['JWT_SECRET', 'ADMIN_TOKEN']) expect(first[name]).toMatch(/^[\w-]{43}$/);
    expect(first['JWT_SECRET']).not.toBe(first['ADMIN_TOKEN']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await setup([])).toEqual({ code: 0, output: '' });
    expect(parseEnv(await readFile(file, 'utf8'))).toEqual(first);
    await writeFile(file, 'REDIS_URL=redis://127.0.0.1\n');
    expect((await setup(['wants-redis'])).code).toBe(1);
    expect((await setup(['wants-redis'], { REDIS_URL: '' })).code).toBe(1);
  });
});
