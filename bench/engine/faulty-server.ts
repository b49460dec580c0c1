import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { WebSocketServer, type WebSocket } from 'ws';

/** What the server does wrong, by the number of the message within its pair, alike in all pairs. */
export interface Faults {
  /** Acknowledged, not delivered. */
  drop?: readonly number[];
  /** Delivered, and once more after the next message. */
  double?: readonly number[];
  /** Delivered after the next message, each with its own seq. */
  swap?: readonly number[];
  /** Answered with `RATE_LIMITED`, not delivered. */
  refuse?: readonly number[];
  /** Neither answered nor delivered. */
  ignore?: readonly number[];
  /** Delivered to the pair that was created after this one as well. */
  leak?: readonly number[];
  /** The sender gets its own message, too. */
  echo?: readonly number[];
  /** Before this message of the first pair the whole process stands still. */
  stall?: { number: number; ms: number };
  /** At this message the sender is thrown out; it and what follows on the connection is unanswered. */
  close?: number;
}

interface FaultySession {
  code: string;
  seq: number;
  host: WebSocket;
  guest: WebSocket | null;
  /** Frames that follow the next delivery. */
  held: string[];
}

/** A server that speaks just enough for a pair, and misbehaves exactly as told. */
export async function startFaultyServer(faults: Faults): Promise<{ address: string; stop: () => Promise<void> }> {
  const sessions: FaultySession[] = [];
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');

  server.on('connection', (socket) => {
    let session: FaultySession | undefined;
    socket.send('0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}');
    socket.send('2');
    socket.on('message', (data: Buffer) => {
      const frame = data.toString('utf8');
      // Frames that crossed the server's own close.
      if (socket.readyState !== socket.OPEN) return;
      if (frame.startsWith('40')) socket.send('40{"sid":"b"}');
      if (!frame.startsWith('42')) return;
      const bracket = frame.indexOf('[');
      const [command, payload] = JSON.parse(frame.slice(bracket)) as [string, Record<string, string>];
      const ack = (answer: object): void => socket.send(`43${frame.slice(2, bracket)}${JSON.stringify([answer])}`);
      if (command === 'session:create') {
        session = { code: `code-${sessions.length}`, seq: 0, host: socket, guest: null, held: [] };
        sessions.push(session);
        ack({ ok: true, session });
      } else if (command === 'session:join') {
        session = sessions.find(({ code }) => code === payload.code);
        if (session === undefined) throw new Error('the generator joined an unknown code');
        session.guest = socket;
        ack({ ok: true, session: { code: session.code } });
        for (const member of [session.host, socket]) member.send('42["session:paired",{"session":{}}]');
      } else if (session !== undefined) {
        handleSend(session, payload.id ?? '', payload.body ?? '', ack);
      }
    });
  });

  function handleSend(session: FaultySession, id: string, body: string, ack: (answer: object) => void): void {
    const number = Number(id.slice(id.lastIndexOf('-') + 1));
    const is = (fault: readonly number[] | undefined): boolean => fault?.includes(number) ?? false;
    if (faults.stall?.number === number && session === sessions[0]) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, faults.stall.ms);
    }
    if (faults.close === number) {
      session.host.send('42["connection:closing",{"reason":"slow_consumer","reconnect":true}]');
      session.host.close();
      return;
    }
    if (is(faults.ignore)) return;
    if (is(faults.refuse)) {
      ack({ ok: false, error: { code: 'RATE_LIMITED', message: 'Too many', retryable: true } });
      return;
    }
    session.seq += 1;
    const { seq, held } = session;
    const delivery = `42${JSON.stringify(['message:new', { id, seq, sessionId: 's', from: 'a', type: 'text', body }])}`;
    ack({ ok: true, id, seq });
    session.held = [];
    if (is(faults.swap)) session.held.push(delivery);
    else if (!is(faults.drop)) session.guest?.send(delivery);
    if (is(faults.double)) session.held.push(delivery);
    if (is(faults.echo)) session.host.send(delivery);
    if (is(faults.leak)) sessions[(sessions.indexOf(session) + 1) % sessions.length]?.guest?.send(delivery);
    for (const late of held) session.guest?.send(late);
  }

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      for (const socket of server.clients) socket.terminate();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
