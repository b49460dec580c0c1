/**
 * The thread in which passwords are hashed. argon2id takes 12 ms of a core, and with the cores taken, those who log in
 * would delay whoever talks: the thread asks the system for less of them than its neighbours. libuv's threads, in which
 * the library would compute otherwise, also look up files and names. Plain JavaScript, because a worker is loaded by
 * Node.js itself, which reads no TypeScript in version 20.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { hashSync, verifySync } from '@node-rs/argon2';

/**
 * @typedef {{ kind: 'hash', id: number, password: string } | { kind: 'verify', id: number, hash: string, password: string }} ToWorker
 * @typedef {{ id: number, value: string | boolean } | { id: number, error: string }} FromWorker
 */

/** argon2id, the default of the library, with the cost that OWASP's cheat sheet asks for. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** A tenth of what a thread of usual priority gets, while both want more than there is. */
const NICE = 10;

standBack();
parentPort?.on('message', (/** @type {ToWorker} */ message) => {
  /** @type {FromWorker} */
  let answer;
  try {
    answer = { id: message.id, value: work(message) };
  } catch (error) {
    answer = { id: message.id, error: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});

/** @param {ToWorker} message */
function work(message) {
  return message.kind === 'hash' ? hashSync(message.password, COST) : verifySync(message.hash, message.password);
}

/** Only Linux gives a thread a priority of its own; elsewhere it would be that of the whole process. */
function standBack() {
  try {
    const thread = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1];
    if (thread !== undefined) setPriority(Number(thread), NICE);
  } catch {
    // No such file, or not allowed: passwords are hashed all the same.
  }
}
