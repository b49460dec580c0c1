//@ts-check
/**
 * Runs one of the examples:
 *
 *   npm run example -- webrtc-call
 *
 *   --port=8080         port of the example; a free one unless given
 *   --tandem-port=3001  port of the Tandem server; a free one unless given
 *   --lan               for other devices in the local network too, at this machine's address in it
 *   --lan=192.168.1.20  the same, at this one of several addresses
 *
 * With TANDEM_URL=https://tandem.example in the environment, a server that runs already is used and none is started.
 * It has to list the origin of the example in its CORS_ORIGINS.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createStaticServer } from './static-server.js';

const here = import.meta.dirname;
const serverEntry = path.join(here, '../dist/server/main.js');

/** What a person did wrong: told in one line, without a stack. */
class UserError extends Error {}

try {
  await main(await readOptions());
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}

/** @param {Awaited<ReturnType<typeof readOptions>>} options */
async function main(options) {
  let tandemUrl = options.tandemUrl;
  const site = createStaticServer({
    directory: path.join(here, options.example),
    headers: () => securityHeaders(tandemUrl),
    generated: { '/tandem.js': () => tandemModule(tandemUrl) },
  });
  // The example listens first: Tandem must know its origin to let its pages connect.
  site.listen(options.port, options.host);
  await once(site, 'listening').catch((/** @type {Error} */ error) => {
    throw new UserError(`The example cannot listen on ${options.host}:${options.port}: ${error.message}`);
  });
  const address = /** @type {import('node:net').AddressInfo} */ (site.address());
  const origin = `http://${options.host}:${address.port}`;

  const stopping = stopRequest();
  /** @type {Awaited<ReturnType<typeof startTandem>> | null} */
  let tandem = null;
  try {
    if (tandemUrl === '') {
      tandem = await startTandem(options, origin, stopping.signal);
      tandemUrl = tandem.url;
    } else {
      await refuseIfUnreachable(tandemUrl);
      console.log(`CORS_ORIGINS of that server must contain ${origin}`);
    }
    sayAddresses(options, origin, tandemUrl);
    await Promise.race([stopping.requested, tandem?.ended ?? stopping.requested]);
    if (!stopping.signal.aborted) throw new UserError('The Tandem server has ended; the reason stands above.');
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    // Browsers keep connections open that close() alone would wait for.
    site.close();
    site.closeAllConnections();
    await tandem?.stop();
  }
}

async function readOptions() {
  // --lan works with and without a value, which parseArgs does not know.
  const args = process.argv.slice(2).map((arg) => (arg === '--lan' ? '--lan=' : arg));
  const examples = (await readdir(here, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = examples.map((entry) => entry.name).join(' | ');
  const usage = `Usage: npm run example -- ${names} [--port=8080] [--tandem-port=3001] [--lan[=address]]`;
  const known = /** @type {const} */ ({
    port: { type: 'string' },
    'tandem-port': { type: 'string' },
    lan: { type: 'string' },
  });
  let parsed;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: known });
  } catch (error) {
    throw new UserError(`${error instanceof Error ? error.message : 'The options are wrong.'}\n${usage}`);
  }
  const [example = '', ...rest] = parsed.positionals;
  if (rest.length > 0 || !examples.some((entry) => entry.name === example)) throw new UserError(usage);
  const lan = parsed.values['lan'];
  return {
    example,
    port: portOf('--port', parsed.values['port']),
    tandemPort: portOf('--tandem-port', parsed.values['tandem-port']),
    isLan: lan !== undefined,
    host: lan === undefined ? '127.0.0.1' : lan || addressInNetwork(),
    tandemUrl: givenUrl(process.env['TANDEM_URL'] ?? ''),
  };
}

/**
 * @param {string} option
 * @param {string} [value]
 */
function portOf(option, value) {
  const port = Number(value ?? 0);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UserError(`${option} must be a port from 0 to 65535, not ${value}`);
}

function addressInNetwork() {
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find((address) => address.family === 'IPv4' && !address.internal);
    if (found !== undefined) return found.address;
  }
  throw new UserError('This machine has no address in a network, so no other device can reach it.');
}

/** The origin of a server that runs already, empty when none was named. @param {string} text */
function givenUrl(text) {
  if (text === '') return '';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.origin;
  throw new UserError(`TANDEM_URL must be an address such as https://tandem.example, not ${text}`);
}

/** @param {string} url */
async function refuseIfUnreachable(url) {
  const address = `${url}/client/tandem.js`;
  const answer = await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (answer?.ok !== true) throw new UserError(`There is no Tandem server to be reached: ${address} does not answer.`);
}

/**
 * A Tandem server of its own, whose data are in a temporary directory and go with it.
 * @param {{ host: string, tandemPort: number }} options
 * @param {string} origin of the pages that may connect
 * @param {AbortSignal} signal ends it while it still starts
 */
async function startTandem({ host, tandemPort }, origin, signal) {
  if (!existsSync(serverEntry)) throw new UserError('The server is not built yet: npm run build');
  const data = await mkdtemp(path.join(tmpdir(), 'tandem-example-'));
  const child = spawn(process.execPath, [serverEntry], {
    // Not in the project: an .env file there is none of the example's business.
    cwd: data,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOST: host,
      PORT: String(tandemPort),
      CORS_ORIGINS: origin,
      DATA_DIR: path.join(data, 'data'),
      LOG_DIR: '-',
      LOG_FORMAT: 'json',
      DRAIN_TIMEOUT: '1s',
      // Tandem's own limits fit people who type, each at a place of their own. Here buttons are pressed, and every
      // browser may have the same address.
      RATE_LIMIT_MESSAGES_USER_POINTS: '120',
      RATE_LIMIT_MESSAGES_IP_POINTS: '600',
      RATE_LIMIT_CONNECTIONS_IP_POINTS: '60',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill();
    await ended;
    await rm(data, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    return { url: await startedAddress(child.stdout, host, signal), stop, ended };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Reads the log, one JSON object per line, up to the line that names the port.
 * @param {import('node:stream').Readable} log
 * @param {string} host
 * @param {AbortSignal} signal
 */
function startedAddress(log, host, signal) {
  /** @type {Promise<string>} */
  const started = new Promise((resolve, reject) => {
    const lines = createInterface({ input: log });
    signal.addEventListener('abort', () => reject(new Error('told to stop')));
    lines.on('close', () => reject(new UserError('The Tandem server did not start; the reason stands above.')));
    lines.on('line', (line) => {
      const entry = parseJson(line);
      if (entry['event'] === 'server_started') resolve(`http://${host}:${entry['port']}`);
      else if (entry['level'] === 'error' || entry['level'] === 'warn') console.error(line);
    });
  });
  return started;
}

/** @param {string} line @returns {Record<string, unknown>} */
function parseJson(line) {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

/**
 * What every example imports: the library as the server has it, so that both always fit, and the server's address.
 * @param {string} tandemUrl
 */
function tandemModule(tandemUrl) {
  return `export * from '${tandemUrl}/client/tandem.js';\nexport const TANDEM_URL = '${tandemUrl}';\n`;
}

/**
 * What the page may do: nothing but what the example needs. Tandem's address has to be named twice, because the page
 * takes a script from there and keeps a WebSocket to it.
 * @param {string} tandemUrl
 */
function securityHeaders(tandemUrl) {
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${tandemUrl}`,
    `connect-src ${tandemUrl} ${tandemUrl.replace(/^http/, 'ws')}`,
    "style-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    // The address of the page may hold a pairing code.
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  };
}

/**
 * @param {{ example: string, isLan: boolean }} options
 * @param {string} origin
 * @param {string} tandemUrl
 */
function sayAddresses({ example, isLan }, origin, tandemUrl) {
  console.log(`Example: ${origin}/`);
  console.log(`Tandem:  ${tandemUrl}/`);
  if (isLan) {
    console.log('This is plain http: everybody in the network can read along. Browsers give a page the camera, the');
    console.log('microphone and encryption only over https or on localhost, so other devices have to do without them.');
  } else if (example === 'remote-control') {
    console.log('For a real phone in the same network: npm run example -- remote-control --lan');
  }
  console.log('Ctrl+C ends it.');
}

/** Ctrl+C, or a process manager. */
function stopRequest() {
  const controller = new AbortController();
  const requested = once(controller.signal, 'abort');
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(name, () => controller.abort());
  return { signal: controller.signal, requested };
}
