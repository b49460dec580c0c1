import type { Socket } from 'socket.io';
import type { ConsoleEvents } from '../../../protocol/console.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import { SlidingWindow } from '../../limits/sliding-window.ts';
import { countUnsent } from '../slow-reader.ts';

/** Unsent bytes from which a report is left out, and from which the connection is closed. */
const SKIP_BYTES = 256 * 1024;
const CLOSE_BYTES = 1024 * 1024;

/** One connection of a console. */
export class Operator {
  readonly socket: Socket;
  /** For logs. */
  readonly address: string;
  inFlight = 0;
  isClosing = false;
  readonly commands = new SlidingWindow();
  /** Refusals by the limit of commands, and packets that no console sends by mistake. */
  readonly refusals = new SlidingWindow();
  readonly badPackets = new SlidingWindow();
  readonly #unsentBytes: () => number;

  constructor(socket: Socket, { address }: ClientIp) {
    this.socket = socket;
    this.address = address;
    this.#unsentBytes = countUnsent(socket.conn, (unsent) => {
      if (unsent > CLOSE_BYTES) this.end();
    });
  }

  /** A report for who does not read is not kept for later: the next one says more. */
  tell(reports: ConsoleEvents['console:instances']): void {
    if (!this.isClosing && this.#unsentBytes() <= SKIP_BYTES) this.socket.emit('console:instances', reports);
  }

  /** Its transport ends, with what was said before; a stock client comes back by itself. */
  end(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    setImmediate(() => this.socket.conn.close());
  }

  sayGoodbye(): void {
    if (this.isClosing) return;
    this.socket.emit('console:closing', { reason: 'draining' } satisfies ConsoleEvents['console:closing']);
    this.end();
  }
}
