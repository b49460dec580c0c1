//@ts-check
/**
 * A screen that was away gets every command that was sent meanwhile, in order. Those of the last seconds are still
 * wanted, older ones are not. But how old is a command? The server says when it was sent (`sentAt`), the clock of this
 * device may be wrong, and the two cannot be compared.
 *
 * So the screen, whenever it is back, sends a message of its own: `here`. The server gives it a time and a place in the
 * order. What stands before it was sent while the screen was away, and is as old as the difference of both times; what
 * stands behind it comes live. Until `here` arrives, commands wait.
 */
import { MAX_AGE_MS } from './commands.js';
import { randomId } from './tandem.js';

/**
 * @typedef {import('./tandem.js').ReceivedMessage<import('./commands.js').Commands>} Command
 * @typedef {import('./tandem.js').TandemSession<
 *   import('./commands.js').Commands, import('./commands.js').Signals>} ScreenSession
 */

export class PunctualCommands {
  /** @type {Command[]} */
  #waiting = [];
  /** The id of the `here` that is waited for; null when commands come live. @type {string | null} */
  #here = null;
  #session;
  #onCommand;
  #onLate;

  /**
   * @param {ScreenSession} session
   * @param {(command: Command) => void} onCommand
   * @param {(command: Command) => void} onLate
   */
  constructor(session, onCommand, onLate) {
    this.#session = session;
    this.#onCommand = onCommand;
    this.#onLate = onLate;
  }

  /** From now on it is not known how old a command is. */
  away() {
    this.#here = 'the screen is away';
  }

  /** The screen is connected. Harmless when it was not away. */
  back() {
    if (this.#here === null) return;
    const id = `here-${randomId(22)}`;
    this.#here = id;
    // Needs no answer: it comes back as a message like any other.
    this.#session.send('here', null, { id }).catch(() => {});
  }

  /** @param {Command} message */
  receive(message) {
    if (message.type !== 'here') {
      if (this.#here === null) this.#onCommand(message);
      else this.#waiting.push(message);
      return;
    }
    // Another one is that of an earlier return, and the connection was lost again since.
    if (!message.isOwn || message.id !== this.#here) return;
    this.#here = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const command of waiting) {
      const ageMs = Date.parse(message.sentAt) - Date.parse(command.sentAt);
      if (ageMs <= MAX_AGE_MS) this.#onCommand(command);
      else this.#onLate(command);
    }
  }
}
