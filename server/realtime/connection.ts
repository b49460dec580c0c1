import type { Server, Socket } from 'socket.io';
import type { ClosingReason } from '../../protocol/closings.ts';
import type { ClientToServerEvents } from '../../protocol/commands.ts';
import type { EventName, Events, ServerToClientEvents } from '../../protocol/events.ts';
import { SlidingWindow } from '../limits/sliding-window.ts';
import type { Knocking } from './knocking.ts';
import { Reading, type Link } from './reading.ts';
import type { Identity } from '../auth/identity.ts';
import type { Delivery } from '../sessions/message-text.ts';
import type { HeldSeat } from '../sessions/seating.ts';

/** Between instances. */
export interface InterServerEvents {
  /** A host answered this knock, or its session has ended: whoever waits for it looks. */
  'knock:answered': (knockId: string) => void;
  /** The seat is no more, or its connection is to be closed: whoever holds it lets it go. */
  'seat:ended': (seatId: string, reason: ClosingReason | null) => void;
  /** A connection of another instance holds the seat, of that `seatOrder`. */
  'seat:taken': (seatId: string, order: number) => void;
  /** An operator wants this instance to stop; it says so under the id of the request, and stops. Not after that time. */
  'instance:stop': (instanceId: string, requestId: string, notAfter: number) => void;
  'instance:stopping': (requestId: string) => void;
}
export type TandemSocket = Socket<ClientToServerEvents, ServerToClientEvents, InterServerEvents, SocketData>;
export type TandemServer = Server<ClientToServerEvents, ServerToClientEvents, InterServerEvents, SocketData>;

export interface SocketData {
  connection?: Connection;
}

/** An event that waits until the answer is out that makes sense of it. */
export type HeldEvent =
  | { readonly event: Exclude<EventName, 'message:new'>; readonly payload: unknown }
  | { readonly event: 'message:new'; readonly message: Delivery };

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
  /**
   * Which of two connections of the seat is the later one: the generation; for who reads a closed session, whose
   * generations stand still, the unix ms since when, which is more than any generation.
   */
  seatOrder = 0;
  /** Who is signed in; null for a guest. */
  identity: Identity | null = null;
  /** Not null while events for this connection are held back. */
  held: HeldEvent[] | null = null;
  /** Why the server ends it; null while it does not. */
  closing: ClosingReason | null = null;
  isGone = false;
  /** It has more unread than signals are sent to: until it has caught up, Engine.IO is to say how it goes on. */
  isSlow = false;
  /** What a returning participant is told first, until it is told. */
  resumed: Events['session:resumed'] | null = null;
  /** Commands that are being worked on: a drain lets them be answered. */
  inFlight = 0;
  /** Commands since its reading last went on. */
  said = 0;
  /** When a refusal by a limit was last logged: a flood of them is one line a second. */
  refusalLoggedAt = 0;
  /** Commands that wait for it. */
  waiting = 0;
  /** Resolves when the command that may change the seat is answered; others wait for it. */
  seatChange: Promise<void> | null = null;
  /** The join that waits for a host; null when none does. */
  knocking: Knocking | null = null;

  readonly reading: Reading;
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
    this.reading = new Reading(socket.conn as unknown as Link);
  }
}
