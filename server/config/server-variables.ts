import { corsOrigins, host, publicUrl, trustProxy } from './addresses.ts';
import { accept, refuse, type Parse } from './parsed.ts';
import { directory, directoryOrNone, duration, integer, oneOf, oneOfAnyCase, port } from './scalars.ts';
import type { VariableTable } from './variable.ts';

const socketTransports: Parse<readonly ('websocket' | 'polling')[]> = (value) => {
  if (value === 'websocket') return accept(['websocket']);
  if (value === 'websocket,polling') return accept(['websocket', 'polling']);
  return refuse({ expected: 'websocket, or websocket,polling' });
};

export const SERVER_VARIABLES = {
  NODE_ENV: {
    doc: 'development, production or test; test behaves as development',
    default: 'development',
    parse: oneOf('development', 'production', 'test'),
  },
  HOST: {
    doc: 'Address to listen on; 0.0.0.0 is every network of this machine, and the default in production',
    default: '127.0.0.1',
    productionDefault: '0.0.0.0',
    parse: host,
  },
  PORT: {
    doc: 'Port to listen on; 0 takes a free one, which the log line server_started names',
    default: '3001',
    parse: port,
  },
  PUBLIC_URL: {
    doc: 'Where browsers reach the server, such as https://tandem.example; derived from the request when it is not set',
    default: '',
    parse: publicUrl,
  },
  TRUST_PROXY: {
    doc: 'Proxies in front of the server: how many, or their comma-separated addresses and networks',
    default: '0',
    parse: trustProxy,
  },
  CORS_ORIGINS: {
    doc: 'Other origins whose pages may connect, comma separated; the own origin always may; * is any, not in production',
    default: '',
    parse: corsOrigins,
  },
  SOCKET_TRANSPORTS: {
    doc: 'websocket, or websocket,polling; polling needs sticky balancing between several instances',
    default: 'websocket',
    parse: socketTransports,
  },
  DRAIN_TIMEOUT: {
    doc: 'How long a stopping server gives its clients to move elsewhere',
    default: '25s',
    parse: duration('0s', '1h'),
  },
  DRAIN_DELAY: {
    doc: 'How long a stopping server goes on as before, so that a balancer can turn away from it',
    default: '0s',
    parse: duration('0s', '1h'),
  },
  DATA_DIR: { doc: 'Directory of the embedded database; one server at a time', default: './data', parse: directory },
} as const satisfies VariableTable;

export const LOG_VARIABLES = {
  LOG_LEVEL: {
    doc: 'error, warn, info or debug',
    default: 'info',
    parse: oneOfAnyCase('error', 'warn', 'info', 'debug'),
  },
  LOG_DIR: {
    doc: 'Directory of the log files; - for standard output alone',
    default: './logs',
    parse: directoryOrNone,
  },
  LOG_RETENTION_DAYS: { doc: 'Days for which log files are kept', default: '14', parse: integer(1, 3650) },
  LOG_FORMAT: {
    doc: 'How standard output is written: pretty or json; the default in production is json',
    default: 'pretty',
    productionDefault: 'json',
    parse: oneOf('pretty', 'json'),
  },
} as const satisfies VariableTable;
