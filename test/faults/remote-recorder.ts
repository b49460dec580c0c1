import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { JsonValue, Message } from '../../protocol/session.ts';
import { within } from '../support/deadline.ts';
import { RecordBook } from './record.ts';
import type { ClientRecord, Entry } from './record.ts';
import type { Opening, Recorder } from './recorder.ts';

const SCRIPT = fileURLToPath(new URL('./remote-recorder-process.ts', import.meta.url));
const OPEN_DEADLINE_MS = 60_000;

export interface RemoteOpening {
  readonly kind: ClientRecord['kind'];
  readonly name: string;
  readonly url: string;
  readonly opening: Opening;
}

export type RemoteOrder =
  /** Somebody listens from now on. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'say'; readonly body: JsonValue }
  | { readonly kind: 'settled'; readonly call: number; readonly lastSeq: number; readonly deadlineMs: number }
  | { readonly kind: 'history'; readonly call: number }
  | { readonly kind: 'end'; readonly call: number };

export type News = Pick<Recorder, 'completeSeq' | 'isOnline' | 'epoch'>;

/** Times of entries are milliseconds since 1970: those of two processes compare. */
export type RemoteReport =
  | { readonly kind: 'opened'; readonly head: Omit<ClientRecord, 'entries' | 'bodies'>; readonly code: string | null }
  | { readonly kind: 'news'; readonly entries: readonly Entry[]; readonly news: News }
  | { readonly kind: 'answer'; readonly call: number; readonly value?: unknown; readonly error?: string };

type Call = RemoteOrder extends infer O ? (O extends { call: number } ? Omit<O, 'call'> : never) : never;

/** A client in a process of its own: its device can fall asleep. */
export class RemoteRecorder implements Recorder {
  readonly record: RecordBook;
  readonly code: string | null;
  onOk: (id: string) => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #open = new Set<string>();
  #news: News;
  #count = 0;
  #nextCall = 0;

  private constructor(child: ChildProcess, { head, code }: Extract<RemoteReport, { kind: 'opened' }>) {
    this.#child = child;
    this.code = code;
    this.record = new RecordBook(head);
    this.#news = { completeSeq: head.joinedSeq, isOnline: true, epoch: 0 };
    child.on('message', (report: RemoteReport) => this.#take(report));
    this.#order({ kind: 'begin' });
    child.on('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`the process of ${head.client} has ended`));
    });
  }

  /** It inherits the loader for TypeScript. */
  static async open(
    kind: ClientRecord['kind'],
    ...[name, url, opening]: [string, string, Opening]
  ): Promise<RemoteRecorder> {
    const plan: RemoteOpening = { kind, name, url, opening };
    const child = fork(SCRIPT, [JSON.stringify(plan)]);
    try {
      const opened = once(child, 'message') as Promise<[RemoteReport]>; // The child is ours, and sends nothing else.
      const ended = once(child, 'exit').then(() => {
        throw new Error(`the process of ${name} has ended; see its message above`);
      });
      // Until somebody awaits it, it must not count as unhandled.
      ended.catch(() => undefined);
      const first = Promise.race([opened, ended]);
      const [report] = await within(OPEN_DEADLINE_MS, () => `${name} did not open`, first);
      if (report.kind !== 'opened') throw new Error(`${name} began with ${report.kind}`);
      return new RemoteRecorder(child, report);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get participantId(): string {
    return this.record.participantId;
  }

  get unsettled(): string[] {
    return [...this.#open];
  }

  get completeSeq(): number {
    return this.#news.completeSeq;
  }

  get isOnline(): boolean {
    return this.#news.isOnline;
  }

  get epoch(): number {
    return this.#news.epoch;
  }

  /** Whose process sleeps says it when it wakes. */
  say(body?: JsonValue): string {
    this.#count += 1;
    const id = `${this.record.client}-${String(this.#count).padStart(6, '0')}`;
    const said = body ?? { by: this.record.client, n: this.#count };
    this.record.bodies.set(id, said);
    this.#open.add(id);
    this.#order({ kind: 'say', body: said });
    return id;
  }

  async settled(lastSeq: number, deadlineMs: number): Promise<void> {
    await this.#ask({ kind: 'settled', lastSeq, deadlineMs });
  }

  async history(): Promise<Message[]> {
    return (await this.#ask({ kind: 'history' })) as Message[]; // What a recorder of ours gave.
  }

  async endSession(): Promise<void> {
    await this.#ask({ kind: 'end' });
  }

  noteNetwork(isCut: boolean): void {
    this.record.add({ kind: 'network', isCut });
  }

  noteRevoked(): void {
    this.record.add({ kind: 'revoked' });
  }

  /** Its device sleeps: nothing of it runs, and nobody is told. */
  sleep(): void {
    this.#child.kill('SIGSTOP');
    this.noteNetwork(true);
  }

  wake(): void {
    this.#child.kill('SIGCONT');
    this.noteNetwork(false);
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #take(report: RemoteReport): void {
    if (report.kind === 'news') {
      for (const entry of report.entries) {
        this.record.entries.push({ ...entry, at: entry.at - performance.timeOrigin });
        if (entry.kind !== 'ok' && entry.kind !== 'fail') continue;
        this.#open.delete(entry.id);
        if (entry.kind === 'ok') this.onOk(entry.id);
      }
      this.#news = report.news;
    } else if (report.kind === 'answer') {
      const call = this.#calls.get(report.call);
      this.#calls.delete(report.call);
      if (report.error === undefined) call?.resolve(report.value);
      else call?.reject(new Error(report.error));
    }
  }

  #ask(what: Call): Promise<unknown> {
    const call = this.#nextCall;
    this.#nextCall += 1;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      this.#order({ ...what, call });
    });
  }

  #order(order: RemoteOrder): void {
    if (this.#child.connected) this.#child.send(order);
  }
}
