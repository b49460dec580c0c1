import type { RedisReply } from './client.ts';
import { RedisReplyError } from './client-errors.ts';
import { arrayOf } from './reply.ts';

/** Calls of one script at most: Redis does nothing else while it runs. */
const MOST = 32;

export interface BatchedCall {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/**
 * Calls that are made in one turn go out as one call of a script that takes many, in their order: what a call costs both
 * sides is mostly the call. A script that fails as a whole has changed nothing, or what it would change again in the
 * same way: each is asked by itself then, and one that it fails at fails alone. Calls that went out meanwhile come before
 * those, so a script whose order matters answers for each by itself.
 */
export class ScriptBatch {
  readonly #run: (keys: readonly string[], args: readonly string[]) => Promise<RedisReply>;
  readonly #shared: (first: BatchedCall) => readonly string[];
  readonly #waiting = new Map<string, Waiting[]>();

  /** `shared`: arguments that are the same for a whole group, in front of those of each call. */
  constructor(
    run: (keys: readonly string[], args: readonly string[]) => Promise<RedisReply>,
    shared: (first: BatchedCall) => readonly string[],
  ) {
    this.#run = run;
    this.#shared = shared;
  }

  /** `group`: what may go together, such as what lies in one slot. Gives the item of the script's reply for this call. */
  call(group: string, { keys, args }: BatchedCall): Promise<RedisReply> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(group);
      const own = { keys, args, resolve, reject };
      if (waiting !== undefined) {
        waiting.push(own);
        if (waiting.length === MOST) this.#send(group);
        return;
      }
      this.#waiting.set(group, [own]);
      // Behind all that the sockets have brought: each of their packets is a turn of its own.
      setImmediate(() => this.#send(group));
    });
  }

  #send(group: string): void {
    const calls = this.#waiting.get(group);
    if (calls === undefined) return;
    this.#waiting.delete(group);
    void this.#ask(calls);
  }

  async #ask(calls: readonly Waiting[]): Promise<void> {
    const [first] = calls;
    if (first === undefined) return;
    try {
      const none: string[] = [];
      const keys = none.concat(...calls.map((call) => call.keys));
      const args = none.concat(this.#shared(first), ...calls.map((call) => call.args));
      const reply = arrayOf(await this.#run(keys, args)) as readonly RedisReply[]; // RESP2 has no other types.
      for (const [index, { resolve }] of calls.entries()) resolve(reply[index] ?? null);
    } catch (error) {
      if (calls.length > 1 && error instanceof RedisReplyError) for (const call of calls) void this.#ask([call]);
      else for (const { reject } of calls) reject(error);
    }
  }
}

interface Waiting extends BatchedCall {
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (error: unknown) => void;
}
