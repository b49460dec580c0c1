/**
 * What setup.sh and setup.bat share. It runs before anything is installed, so it uses Node.js alone.
 *
 *   node scripts/setup.js            dependencies, .env and build, each only when needed
 *   node scripts/setup.js build      the build alone, when something changed since the last one
 *   node scripts/setup.js port       ends with 1 and says so when the port is taken
 *   node scripts/setup.js addresses  says where to open the page
 *   node scripts/setup.js wants-redis  ends with 0 when no Redis is configured
 */
import { execFileSync, execSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';

const root = path.dirname(import.meta.dirname);
const buildInputs = ['protocol', 'server', 'client', 'web', 'migrations', 'scripts', 'docs', 'LICENSE'];
buildInputs.push('package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json');

try {
  if (process.argv[2] === 'addresses') sayAddresses();
  else if (process.argv[2] === 'port') await checkPort();
  else if (process.argv[2] === 'wants-redis') process.exitCode = isRedisNamed() ? 1 : 0;
  else if (process.argv[2] === 'build') build();
  else prepare();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function prepare() {
  // --ignore-scripts: no package may run code at install; the native ones bring their binaries as packages.
  // --include=dev: the build needs esbuild and the compiler, also where NODE_ENV is production.
  step('Installing dependencies', 'npm ci --ignore-scripts --include=dev --no-audit --no-fund', {
    inputs: ['package-lock.json'],
    stamp: 'node_modules/.tandem-installed',
  });
  writeEnv();
  build();
}

function build() {
  step('Building', 'npm run --silent build', { inputs: buildInputs, stamp: 'dist/.tandem-built' });
}

/**
 * Runs a command unless the stamp tells that it ran with the same inputs. The stamp lies in the directory that the
 * command makes, so that it goes when that goes.
 * @param {string} title
 * @param {string} command
 * @param {{ inputs: string[], stamp: string }} files
 */
function step(title, command, { inputs, stamp }) {
  const stampFile = path.join(root, stamp);
  const wanted = fingerprint(inputs);
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return;
  console.log(`${title} ...`);
  try {
    execSync(command, { cwd: root, stdio: 'inherit' });
  } catch (cause) {
    throw new Error(`${title} failed; what went wrong stands above. The command was: ${command}`, { cause });
  }
  writeFileSync(stampFile, wanted);
}

/** Hash over the contents of files and directories, and over the platform: native packages differ by it. @param {string[]} inputs */
function fingerprint(inputs) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.versions.modules}\n`);
  for (const file of inputs.flatMap(filesBelow)) {
    hash.update(`${file}\n`).update(
      createHash('sha256')
        .update(readFileSync(path.join(root, file)))
        .digest(),
    );
  }
  return hash.digest('hex');
}

/** @param {string} input @returns {string[]} */
function filesBelow(input) {
  const found = statSync(path.join(root, input), { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return [input];
  return readdirSync(path.join(root, input))
    .sort()
    .flatMap((name) => filesBelow(path.join(input, name)));
}

/** Flag wx: an existing file is never touched, also when two run at once. */
function writeEnv() {
  const text = `# Written by setup. Every variable and its default: .env.example. The environment wins over this file.
JWT_SECRET=${randomBytes(32).toString('base64url')}
ADMIN_TOKEN=${randomBytes(32).toString('base64url')}
`;
  try {
    writeFileSync(path.join(root, '.env'), text, { flag: 'wx', mode: 0o600 });
    console.log('Wrote .env with fresh secrets.');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** The environment wins over .env, and what is empty is not set: as the server reads them. */
function settings() {
  const envFile = path.join(root, '.env');
  const file = existsSync(envFile) ? parseEnv(readFileSync(envFile, 'utf8')) : {};
  /** @param {string} name */
  const setting = (name) => process.env[name] || file[name] || undefined;
  const host = setting('HOST') ?? (setting('NODE_ENV') === 'production' ? '0.0.0.0' : '127.0.0.1');
  return { setting, host, port: setting('PORT') ?? '3001' };
}

function isRedisNamed() {
  const { setting } = settings();
  const names = ['REDIS_URL', 'REDIS_URL_FILE', 'REDIS_HOST', 'REDIS_SENTINELS', 'REDIS_CLUSTER_NODES'];
  return names.some((name) => setting(name) !== undefined);
}

/** Before the start, because here it can be said who holds the port. What is no port is the server's to refuse. */
async function checkPort() {
  const { host, port } = settings();
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) return;
  const server = createServer();
  /** @type {unknown} */
  const code = await new Promise((resolve) => {
    server.once('error', (error) => resolve('code' in error ? error.code : 'unknown'));
    server.listen({ host, port: Number(port), exclusive: true }, () => server.close(() => resolve(null)));
  });
  // Other reasons, such as a host that is not ours, the server itself explains.
  if (code !== 'EADDRINUSE') return;
  const holder = holderOf(port);
  throw new Error(
    `Port ${port} on ${host} is taken${holder === null ? '' : ` by ${holder}`}. Stop that one, or take another port: ` +
      'put PORT=3002 into .env, or into the environment.',
  );
}

/** The process that listens on the port, when the system has a program that tells and this user may know. @param {string} port */
function holderOf(port) {
  /** @type {[string, string[], RegExp][]} */
  const programs =
    process.platform === 'win32'
      ? [['netstat', ['-ano', '-p', 'TCP'], new RegExp(`:${port}\\s+\\S+\\s+LISTENING\\s+(?<pid>\\d+)`)]]
      : [
          ['ss', ['-Hltnp', `sport = :${port}`], /users:\(\("(?<name>[^"]+)",pid=(?<pid>\d+)/],
          ['lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], /p(?<pid>\d+)\nc(?<name>.*)/],
        ];
  for (const [program, parameters, pattern] of programs) {
    try {
      const options = {
        encoding: /** @type {const} */ ('utf8'),
        stdio: /** @type {import('node:child_process').StdioOptions} */ (['ignore', 'pipe', 'ignore']),
      };
      const said = execFileSync(program, parameters, { ...options, timeout: 3000 });
      const { pid, name } = pattern.exec(said)?.groups ?? {};
      if (pid !== undefined) return name === undefined ? `process ${pid}` : `${name} (process ${pid})`;
    } catch {
      // Not installed, or not for this user.
    }
  }
  return null;
}

function sayAddresses() {
  const { host, port } = settings();
  if (port === '0') {
    console.log('PORT is 0: the log line server_started names the port.');
    return;
  }
  const everywhere = host === '0.0.0.0' || host === '::';
  console.log(`Starting. Open http://${everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host}:${port}/`);
  if (!everywhere) return;
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((address) => address.family === 'IPv4' && !address.internal)
    .map((address) => `http://${address.address}:${port}/`);
  if (addresses.length === 0) {
    console.log('This machine has no address in a network: no second device can reach it.');
    return;
  }
  console.log(`On a second device in the same network: ${addresses.join(' or ')}`);
  console.log(
    'This is plain http: everybody in the network can read along, and browsers keep some features (clipboard,',
  );
  console.log('notifications) to https. For more than a try-out put a proxy with TLS in front: docs/operations.md.');
}
