import type { RedisReply } from './client.ts';
import { RedisReplyError } from './client-errors.ts';
import { arrayOf } from './reply.ts';

export interface BatchedCall {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export interface ScriptBatchOptions {
  readonly run: (keys: readonly string[], args: readonly string[]) => Promise<RedisReply>;
  /** Arguments that are the same for a whole group, in front of those of each call. */
  readonly shared: (first: BatchedCall) => readonly string[];
  /** Calls of one script at most: Redis does nothing else while it runs. */
  readonly most: number;
}

/**
 * Calls that are made while Redis works on others of their group go out together, as one call of a script that takes many,
 * in their order: what a call costs both sides is mostly the call. One that comes when nothing is under way goes out at
 * once and waits for nobody. A script that fails as a whole has changed nothing, or what it would change again in the
 * same way: each is asked by itself then, and one that it fails at fails alone. Calls that went out meanwhile come before
 * those, so a script whose order matters answers for each by itself.
 */
export class ScriptBatch {
  readonly #options: ScriptBatchOptions;
  readonly #groups = new Map<string, Group>();

  constructor(options: ScriptBatchOptions) {
    this.#options = options;
  }

  /** `group`: what may go together, such as what lies in one slot. Gives the item of the script's reply for this call. */
  call(name: string, { keys, args }: BatchedCall): Promise<RedisReply> {
    return new Promise((resolve, reject) => {
      let group = this.#groups.get(name);
      if (group === undefined) this.#groups.set(name, (group = { waiting: [], underWay: 0 }));
      group.waiting.push({ keys, args, resolve, reject });
      if (group.underWay === 0 || group.waiting.length >= this.#options.most) this.#send(name, group);
    });
  }

  /** What waits goes out now: for a command that must come behind it. */
  flush(name: string): void {
    const group = this.#groups.get(name);
    if (group !== undefined && group.waiting.length > 0) this.#send(name, group);
  }

  #send(name: string, group: Group): void {
    const calls = group.waiting;
    group.waiting = [];
    group.underWay += 1;
    void this.#ask(calls).then(() => {
      group.underWay -= 1;
      if (group.waiting.length > 0) this.#send(name, group);
      else if (group.underWay === 0) this.#groups.delete(name);
    });
  }

  /** Never rejects: its callers hear of what fails. */
  async #ask(calls: readonly Waiting[]): Promise<void> {
    const [first] = calls;
    if (first === undefined) return;
    try {
      const none: string[] = [];
      const keys = none.concat(...calls.map((call) => call.keys));
      const args = none.concat(this.#options.shared(first), ...calls.map((call) => call.args));
      const reply = arrayOf(await this.#options.run(keys, args)) as readonly RedisReply[]; // RESP2 has no other types.
      for (const [index, { resolve }] of calls.entries()) resolve(reply[index] ?? null);
    } catch (error) {
      if (calls.length > 1 && error instanceof RedisReplyError) {
        await Promise.all(calls.map((call) => this.#ask([call])));
      } else {
        for (const { reject } of calls) reject(error);
      }
    }
  }
}

interface Waiting extends BatchedCall {
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (error: unknown) => void;
}

interface Group {
  waiting: Waiting[];
  /** Calls of the script that are not answered. */
  underWay: number;
}
