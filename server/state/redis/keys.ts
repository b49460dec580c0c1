/**
 * Every key of Redis is spelled here. What belongs to one session lies in one slot: its partition is the hash tag. No
 * text of a user is part of a key: ids are ours, and what people chose (a code's letters aside) is hashed before.
 */
import { createHash } from 'node:crypto';

export const PARTITIONS = 64;

/** The keys of one session. */
export interface SessionKeys {
  readonly document: string;
  readonly flat: string;
  readonly log: string;
  /** Known sends; the number of a window of time is appended. */
  readonly sends: string;
  /** Seats that ended and are not archived. */
  readonly ended: string;
}

/** The keys of one partition. */
export interface PartitionKeys {
  readonly due: string;
  readonly unarchived: string;
  readonly counts: string;
  /** Sessions with a seat that an instance holds; the instance is appended. */
  readonly held: string;
  /** Flat fields of a session; the session is appended. */
  readonly flat: string;
}

export class Keys {
  readonly #prefix: string;
  readonly #partitions: readonly PartitionKeys[];

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#partitions = Array.from({ length: PARTITIONS }, (_, partition) => {
      const tag = this.#tag(partition);
      return {
        due: `${tag}:due`,
        unarchived: `${tag}:arch`,
        counts: `${tag}:counts`,
        held: `${tag}:held:`,
        flat: `${tag}:s:`,
      };
    });
  }

  session(sessionId: string): SessionKeys {
    const tag = this.#tag(partitionOf(sessionId));
    return {
      document: `${tag}:d:${sessionId}`,
      flat: `${tag}:s:${sessionId}`,
      log: `${tag}:l:${sessionId}`,
      sends: `${tag}:i:${sessionId}:`,
      ended: `${tag}:e:${sessionId}`,
    };
  }

  partition(partition: number): PartitionKeys {
    const keys = this.#partitions[partition];
    if (keys === undefined) throw new RangeError(`Partitions are 0 to ${PARTITIONS - 1}, received ${partition}`);
    return keys;
  }

  partitionOf(sessionId: string): PartitionKeys {
    return this.partition(partitionOf(sessionId));
  }

  /** Channel of an instance, without its id. In a cluster each partition has its own, in the slot of its sessions. */
  channel(partition: number | null): string {
    return partition === null ? `${this.#prefix}:to:` : `${this.#tag(partition)}:to:`;
  }

  code(code: string): string {
    return `${this.#prefix}:{codes}:c:${code}`;
  }

  get liveCodes(): string {
    return `${this.#prefix}:{codes}:live`;
  }

  /** An idempotency key, by its hash. */
  idempotency(keyHash: string): string {
    return `${this.#prefix}:k:${keyHash}`;
  }

  /** Points that were taken of a limit; a block is kept beside it, in the same slot. */
  limit(name: string, bucket: string): string {
    // The id of a user may be whatever another issuer gives out.
    const safe = PLAIN.test(bucket) ? bucket : sha256(bucket);
    return `${this.#prefix}:lim:{${name}:${safe}}`;
  }

  /**
   * An entry of a cache and the version of its subject, in one slot: that of the session, where the subject is one. Both
   * subject and key may be text of a user.
   */
  cache({ kind, subject, key }: { kind: string; subject: string; key: string }): { version: string; entry: string } {
    const name = `${this.#tag(partitionOf(subject))}:cache:${kind}:${sha256(subject)}`;
    return { version: name, entry: `${name}:${sha256(key)}` };
  }

  /** Heartbeats of the instances. */
  get instances(): string {
    return `${this.#prefix}:instances`;
  }

  /** What the instances tell of themselves. */
  get reports(): string {
    return `${this.#prefix}:reports`;
  }

  /** Which database this Redis belongs to. */
  get database(): string {
    return `${this.#prefix}:database`;
  }

  /** What was revoked before its time, and the channel on which instances hear of it: in one slot. */
  get revocations() {
    const tag = `${this.#prefix}:{revocations}`;
    return { published: `${tag}:published`, ends: `${tag}:ends`, list: `${tag}:list`, channel: `${tag}:news` };
  }

  /** A process of Redis that was compared with the archive. */
  run(id: string): string {
    return `${this.#prefix}:run:${id}`;
  }

  #tag(partition: number): string {
    return `${this.#prefix}:{p${String(partition).padStart(2, '0')}}`;
  }
}

/** Addresses, ids, names of keys. */
const PLAIN = /^[\w.:/ -]{1,64}$/;

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** FNV-1a over the id: any instance, in any version, must come to the same number. */
export function partitionOf(sessionId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < sessionId.length; index += 1) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % PARTITIONS;
}
