import type { Server, Socket } from 'socket.io';
import type { ClosingReason } from '../../protocol/closings.ts';
import type { ClientToServerEvents } from '../../protocol/commands.ts';
import type { EventName, Events, ServerToClientEvents } from '../../protocol/events.ts';
import { SlidingWindow } from '../limits/sliding-window.ts';
import type { HeldSeat } from '../sessions/seating.ts';

type NoEvents = Record<string, never>;
export type TandemSocket = Socket<ClientToServerEvents, ServerToClientEvents, NoEvents, SocketData>;
export type TandemServer = Server<ClientToServerEvents, ServerToClientEvents, NoEvents, SocketData>;

export interface SocketData {
  connection?: Connection;
}

/** An event that waits until the answer is out that makes sense of it. */
export interface HeldEvent {
  readonly event: EventName;
  readonly payload: unknown;
}

/** One Socket.IO socket, and what this process knows of it. */
export class Connection {
  readonly socket: TandemSocket;
  readonly id: string;
  /** Address for logs. */
  readonly address: string;
  /** Bucket of the address for limits. */
  readonly ip: string;
  readonly openedAt: number;
  seat: HeldSeat | null = null;
  /** Not null while events for this connection are held back. */
  held: HeldEvent[] | null = null;
  /** Why the server ends it; null while it does not. */
  closing: ClosingReason | null = null;
  isGone = false;
  /** What a returning participant is told first, until it is told. */
  resumed: Events['session:resumed'] | null = null;
  /** Commands that are being worked on: a drain lets them be answered. */
  inFlight = 0;
  /** When a refusal by a limit was last logged: a flood of them is one line a second. */
  refusalLoggedAt = 0;
  /** Commands that wait for it. */
  waiting = 0;
  /** Resolves when the command that may change the seat is answered; others wait for it. */
  seatChange: Promise<void> | null = null;

  readonly commands = new SlidingWindow();
  readonly messages = new SlidingWindow();
  readonly signals = new SlidingWindow();
  /** Refusals by limits, all other refusals, and packets that no client sends by mistake: too many of any end it. */
  readonly refusals = new SlidingWindow();
  readonly failures = new SlidingWindow();
  readonly badPackets = new SlidingWindow();

  constructor(socket: TandemSocket, address: { address: string; bucket: string }, openedAt: number) {
    this.socket = socket;
    this.id = socket.id;
    this.address = address.address;
    this.ip = address.bucket;
    this.openedAt = openedAt;
  }
}
