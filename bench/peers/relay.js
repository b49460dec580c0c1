/**
 * What the peers have in common: the Socket.IO relay that one writes in an afternoon. Rooms by code, a number for each
 * message of a connection, an ack. It answers the few commands that the generator uses in Tandem's shapes and announces
 * its port in the same way. Plain JavaScript, because the built server runs without a loader as well.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'socket.io';

/**
 * @typedef {{ id: string, type?: string, body: unknown }} Sent
 * @typedef {{ code: string, seq: number }} Seat
 * @typedef {object} Rules
 * @property {(seat: Seat, socket: import('socket.io').Socket) => Promise<void>} [created]
 * @property {() => Promise<unknown>} [joined] Resolves when this instance hears what others send to rooms that it has joined.
 * @property {(code: string) => Promise<boolean>} [canJoin] False where there is no such session.
 * @property {(seat: Seat, socket: import('socket.io').Socket) => Promise<string | null>} [mayPass] The code of the error that refuses a message, or null.
 */

/**
 * Starts on a free port. What `rules` leaves out costs nothing, not even a promise.
 * @param {Partial<import('socket.io').ServerOptions>} options
 * @param {Rules} [rules]
 */
export function startRelay(options, { created, joined, canJoin, mayPass } = {}) {
  const http = createServer();
  const io = new Server(http, { transports: ['websocket'], serveClient: false, ...options });

  io.on('connection', (socket) => {
    /** @type {Seat | undefined} */
    let seat;

    socket.on('session:create', async (_payload, ack) => {
      seat = { code: randomBytes(6).toString('hex'), seq: 0 };
      await created?.(seat, socket);
      await socket.join(seat.code);
      await joined?.();
      ack({ ok: true, session: { code: seat.code } });
    });

    socket.on('session:join', async ({ code }, ack) => {
      if (canJoin && !(await canJoin(code))) {
        ack({ ok: false, error: { code: 'SESSION_NOT_FOUND' } });
        return;
      }
      seat = { code, seq: 0 };
      await socket.join(code);
      await joined?.();
      ack({ ok: true, session: { code } });
      io.to(code).emit('session:paired', { session: { code } });
    });

    if (mayPass) {
      socket.on('message:send', async (payload, ack) => {
        if (seat === undefined) {
          ack({ ok: false, error: { code: 'NOT_IN_SESSION' } });
          return;
        }
        const refusal = await mayPass(seat, socket);
        if (refusal === null) pass(seat, payload, ack);
        else ack({ ok: false, error: { code: refusal } });
      });
    } else {
      socket.on('message:send', (payload, ack) => {
        if (seat === undefined) ack({ ok: false, error: { code: 'NOT_IN_SESSION' } });
        else pass(seat, payload, ack);
      });
    }

    /**
     * @param {Seat} sender
     * @param {Sent} payload
     * @param {(answer: object) => void} ack
     */
    function pass(sender, payload, ack) {
      sender.seq += 1;
      const sentAt = new Date().toISOString();
      socket.to(sender.code).emit('message:new', {
        id: payload.id,
        seq: sender.seq,
        sessionId: sender.code,
        from: socket.id,
        type: payload.type ?? 'text',
        body: payload.body,
        sentAt,
      });
      ack({ ok: true, id: payload.id, seq: sender.seq, sentAt });
    }
  });

  http.listen(0, '127.0.0.1', () => {
    const address = http.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    console.log(JSON.stringify({ event: 'server_started', port }));
  });
  // What a relay knows is gone with it, so there is nothing to wait for.
  process.once('SIGTERM', () => process.exit(0));
}
