import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { RawSocket, CLOSED } from './support/raw.ts';
import { resumeOf } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

describe('two connections that resume one seat at the same time', () => {
  const stage = stageServer({ HISTORY_HOT_MESSAGES: '1' });

  it('leave one that holds it, and one that is told and stays away', async () => {
    const { host, guest } = await stage.pair();
    for (let sent = 1; sent <= 40; sent += 1)
      await host.client.do('message:send', { id: `message-${sent}`, body: sent });
    for (let round = 0; round < 15; round += 1) {
      const both = [0, 1].map(() => stage.client({ auth: resumeOf(guest), reconnection: true }));
      const errors = await Promise.all(both.map((client) => client.opened()));
      const outcomes = await Promise.all(
        both.map(async (client, index) => {
          const error = errors[index] ?? null;
          if (error !== null) return error.message;
          // Either it holds the seat, and answers go on; or it hears that another does, and the connection ends.
          return Promise.race([
            client
              .next('session:resumed')
              .then(() => client.do('session:get', {}))
              .then(() => 'holds it'),
            client.next('disconnect').then(() => 'ended'),
          ]);
        }),
      );
      expect(outcomes.filter((outcome) => outcome === 'holds it')).toHaveLength(1);
      const loser = both[outcomes.findIndex((outcome) => outcome !== 'holds it')];
      expect(outcomes).toContain('ended');
      expect(await loser?.next('connection:closing')).toEqual({ reason: 'replaced', reconnect: false });
      // Not "transport close": after that stock clients come back, and throw the winner out.
      expect(loser?.received('disconnect')).toEqual(['io server disconnect']);
      for (const client of both) client.close();
    }
  });
});

describe('a transport', () => {
  const stage = stageServer();

  it('is closed after a refused handshake', async () => {
    const socket = await RawSocket.open(stage.url);
    socket.send('40{"resume":{}}');
    expect(await socket.next((frame) => frame.startsWith('44'), 'the refusal')).toContain('INVALID_PAYLOAD');
    await socket.ended();
  });

  it('takes one handshake, however many are sent at once', async () => {
    const socket = await RawSocket.open(stage.url);
    for (let sent = 0; sent < 500; sent += 1) socket.send('40{}');
    await socket.ended();
    const answers = socket.frames.all.filter((frame) => /^4[04]/.test(frame));
    expect(answers.filter((frame) => frame.startsWith('40')).length).toBeLessThanOrEqual(1);
    expect(await (await stage.connect()).refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
  });

  it('is closed when its client leaves the namespace', async () => {
    const socket = await RawSocket.connect(stage.url);
    socket.send('41');
    await socket.ended();
  });
});

describe('a participant whose transport breaks while it joins', () => {
  const stage = stageServer();

  it('is told of as joined before it is told of as away', async () => {
    for (let round = 0; round < 10; round += 1) {
      const host = await stage.host();
      const socket = await RawSocket.connect(stage.url);
      socket.send(`420${JSON.stringify(['session:join', { code: codeOf(host.session) }])}`);
      // Not before the command is on its way, and not after its answer.
      await new Promise<void>((resolve) => socket.ws.send('3', () => resolve()));
      await socket.close();
      await host.client.next('session:joined');
      await host.client.next('session:presence', ({ presence }) => presence === 'away');
      const told = host.client.arrivals().filter((event) => event === 'session:joined' || event === 'session:presence');
      expect(told).toEqual(['session:joined', 'session:presence']);
      host.client.close();
    }
  });
});

describe('commands that wait for a join', () => {
  const stage = stageServer({
    RATE_LIMIT_JOIN_FAILURES_TOTAL_POINTS: '1',
    RATE_LIMIT_JOIN_FAILURES_TOTAL_DURATION: '60',
  });

  it('are bounded in number, and do not begin for a connection that is gone', async () => {
    const host = await stage.host();
    const guesser = await stage.connect();
    await guesser.refusal('session:join', { code: 'BCDFGH' });
    const socket = await RawSocket.connect(stage.url);
    for (let id = 0; id < 30; id += 1) {
      socket.send(`42${id}${JSON.stringify(['session:join', { code: codeOf(host.session) }])}`);
    }
    // One is being slowed, sixteen wait, the others are refused at once.
    const refused = await socket.nextOrClosed((frame) => frame.startsWith('4329['), 'the last answer');
    expect(refused).not.toBe(CLOSED);
    expect(refused).toContain('UNAVAILABLE');
    await socket.close();
    // The first one was begun and takes its seat, for nobody; none of those that waited does.
    await host.client.next('session:joined');
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    const { session } = await host.client.do('session:get', {});
    expect(session.participants).toHaveLength(2);
    expect(host.client.received('session:joined')).toHaveLength(1);
  });
});

describe('an upgrade to something else', () => {
  const stage = stageServer();

  it('is ignored: the request is served as it is', async () => {
    const socket = connect(stage.port, '127.0.0.1');
    const headers =
      'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    socket.write(`GET /health/live HTTP/1.1\r\n${headers}\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"status":"alive"');
  });
});
