import { Writable } from 'node:stream';
import winston from 'winston';
import type { LogEvent, LogLevel } from './log-event.ts';
import { serializeFields, type LogFields } from './log-fields.ts';
import { FloodGate } from './log-flood.ts';
import { LogFile, type LogFileTurn } from './log-file.ts';
import { createTextMask } from './log-mask.ts';
import { LogStream, type LineSink } from './log-stream.ts';

export type { LogEvent, LogLevel } from './log-event.ts';
export type { LogFields } from './log-fields.ts';

/** Never throws. Lines that cannot be written are counted and dropped. */
export interface Logger {
  error(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  debug(event: LogEvent, fields?: LogFields): void;
  /** Lines lost so far, in any of the outputs. */
  dropped(): number;
  /** When the last of them was lost, as `performance.now()` tells the time; null while none was. */
  droppedAt(): number | null;
  /** Resolves when every line is written; at most 3 s for each output that no longer takes any. */
  close(): Promise<void>;
}

export interface LoggerOptions {
  level: LogLevel;
  /** Directory of the daily files; null for stdout alone. */
  dir: string | null;
  retentionDays: number;
  /** Format of stdout; files are always JSON lines. */
  format: 'pretty' | 'json';
  instanceId: string;
  /** Of the configuration: no text of others is written with one of these in it. */
  secrets?: readonly string[];
  stdout?: Writable;
}

const SEVERITY: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };

/** A line before it is text. */
type LogRecord = { timestamp: string; level: LogLevel; event: LogEvent } & Record<string, unknown>;

export function createLogger(options: LoggerOptions): Logger {
  const stdout = new LogStream(options.stdout ?? process.stdout);
  const outputs: { sink: LineSink; format: 'pretty' | 'json' }[] = [{ sink: stdout, format: options.format }];
  if (options.dir !== null) {
    const { dir, retentionDays } = options;
    outputs.push({ sink: new LogFile({ dir, retentionDays, onTurn: tellOfFiles }), format: 'json' });
  }
  const sinks = outputs.map(({ sink }) => sink);

  const mask = createTextMask(options.secrets ?? []);
  let lost = 0;
  let lostAt: number | null = null;
  const lose = () => {
    lost += 1;
    lostAt = performance.now();
  };
  let closing: Promise<void> | null = null;
  const logger = winston.createLogger({
    levels: SEVERITY,
    level: options.level,
    format: UNFORMATTED,
    transports: outputs.map(
      ({ sink, format }) => new StreamTransport({ stream: streamOf(sink), format: FORMATS[format], eol: '\n' }),
    ),
  });
  logger.on('error', lose);

  function recordOf(level: LogLevel, event: LogEvent, fields: LogFields): LogRecord {
    const timestamp = new Date().toISOString();
    return { timestamp, level, event, instanceId: options.instanceId, ...serializeFields(fields, mask) };
  }

  /** Past winston, which would hand the line to the files as well. */
  function tellOfFiles({ isWell, dropped, error }: LogFileTurn): void {
    if (SEVERITY.warn > SEVERITY[options.level]) return;
    const event = isWell ? 'log_file_recovered' : 'log_file_failed';
    stdout.write(`${LINES[options.format](recordOf('warn', event, { count: dropped, error }))}\n`);
  }

  const flood = new FloodGate({ onSuppressed: put });

  const write = (level: LogLevel, event: LogEvent, fields: LogFields = {}) => {
    // Decided here and not in winston, so that the debug line of every message costs one comparison.
    if (SEVERITY[level] > SEVERITY[options.level]) return;
    if (flood.admits(level, event, fields)) put(level, event, fields);
  };

  function put(level: LogLevel, event: LogEvent, fields: LogFields): void {
    if (closing !== null) {
      lose();
      return;
    }
    try {
      logger.log({ level, message: event, record: recordOf(level, event, fields) });
    } catch {
      lose();
    }
  }

  /** Stdout last: it is told when the last lines of a file are lost. */
  async function closeAll(): Promise<void> {
    for (const sink of sinks.toReversed()) await sink.close();
    logger.close();
  }

  return {
    error: (event, fields) => write('error', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    info: (event, fields) => write('info', event, fields),
    debug: (event, fields) => write('debug', event, fields),
    dropped: () => sinks.reduce((sum, sink) => sum + sink.dropped(), lost),
    droppedAt: () => sinks.map((sink) => sink.droppedAt()).reduce(later, lostAt),
    close: () => {
      // What was left out is said while lines are still taken.
      flood.close();
      closing ??= closeAll();
      return closing;
    },
  };
}

function later(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** winston's types give this constructor the type of what it makes, which no list of transports accepts. */
const StreamTransport = winston.transports.Stream as unknown as new (
  options: winston.transports.StreamTransportOptions,
) => winston.transport;

/** Each output formats for itself; winston's own default would write the record as JSON once more. */
const UNFORMATTED = winston.format((info) => info)();

const LINES = { json: (record: LogRecord) => JSON.stringify(record), pretty: prettyLine };

const FORMATS = {
  json: winston.format.printf((info) => LINES.json(info.record as LogRecord)),
  pretty: winston.format.printf((info) => LINES.pretty(info.record as LogRecord)),
};

/** winston hands lines to a stream; this one takes all of them at once, so that nothing waits inside winston. */
function streamOf(sink: LineSink): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, callback) => {
      sink.write(line);
      callback();
    },
  });
}

/** `12:00:00.123 INFO  server_started port=3001 state=memory`, and a stack on lines of its own. */
function prettyLine({ timestamp, level, event, instanceId: _instanceId, error, ...fields }: LogRecord): string {
  const parts = [timestamp.slice(11, 23), level.toUpperCase().padEnd(5), event];
  for (const [name, value] of Object.entries(fields)) parts.push(`${name}=${prettyValue(value)}`);
  const line = parts.join(' ');
  return error === undefined
    ? line
    : `${line}\n${prettyError(error as { name: string; message: string; stack?: string })}`;
}

function prettyValue(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** Indented, so that a message with line feeds cannot pass for a line of the log. */
function prettyError({ name, message, stack }: { name: string; message: string; stack?: string }): string {
  return (stack ?? `${name}: ${message}`).replace(/^/gm, '    ');
}
