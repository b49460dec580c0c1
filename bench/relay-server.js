/**
 * The yardstick: the Socket.IO relay that one writes in an afternoon. Rooms by code, a counter for `seq`, an ack; no
 * storage, no limits, no checks, no resume. It answers the few commands that the generator uses in Tandem's shapes and
 * announces its port in the same way. Plain JavaScript, because the built server runs without a loader as well.
 */
import { createServer } from 'node:http';
import { Server } from 'socket.io';

/** @type {Map<string, { code: string, seq: number }>} */
const sessions = new Map();

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });

io.on('connection', (socket) => {
  /** @type {{ code: string, seq: number } | undefined} */
  let session;

  socket.on('session:create', async (_payload, ack) => {
    session = { code: Math.random().toString(36).slice(2, 10), seq: 0 };
    sessions.set(session.code, session);
    await socket.join(session.code);
    ack({ ok: true, session });
  });

  socket.on('session:join', async (payload, ack) => {
    session = sessions.get(payload.code);
    if (session === undefined) {
      ack({ ok: false, error: { code: 'SESSION_NOT_FOUND' } });
      return;
    }
    await socket.join(session.code);
    ack({ ok: true, session });
    io.to(session.code).emit('session:paired', { session });
  });

  socket.on('message:send', (payload, ack) => {
    if (session === undefined) {
      ack({ ok: false, error: { code: 'NOT_IN_SESSION' } });
      return;
    }
    session.seq += 1;
    const sentAt = new Date().toISOString();
    socket.to(session.code).emit('message:new', {
      id: payload.id,
      seq: session.seq,
      sessionId: session.code,
      from: socket.id,
      type: payload.type ?? 'text',
      body: payload.body,
      sentAt,
    });
    ack({ ok: true, id: payload.id, seq: session.seq, sentAt });
  });
});

http.listen(0, '127.0.0.1', () => {
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  console.log(JSON.stringify({ event: 'server_started', port }));
});

process.once('SIGTERM', () => {
  void io.close();
});
