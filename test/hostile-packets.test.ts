import { afterEach, describe, expect, it } from '@jest/globals';
import { CLOSED, RawSocket } from './support/raw.ts';
import { stageSpawnedServer } from './support/spawned-stage.ts';

const open = new Set<RawSocket>();

function tracked(socket: RawSocket): RawSocket {
  open.add(socket);
  return socket;
}

function nestedText(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

describe('a hostile socket', () => {
  const stage = stageSpawnedServer();

  afterEach(async () => {
    // Whatever was sent: the process is the same, and serves the next client.
    expect(stage.server.isRunning()).toBe(true);
    const fresh = tracked(await RawSocket.connect(stage.url));
    expect(await fresh.command('session:create', {})).toMatchObject({ ok: true });
    await Promise.all([...open].map((socket) => socket.close()));
    open.clear();
  });

  const connect = async () => tracked(await RawSocket.connect(stage.url));

  it.each([
    ['an event before CONNECT', '42["session:get",{}]'],
    ['an ack before CONNECT', '431[]'],
  ])('that sends %s is cut off', async (_what, frame) => {
    const socket = tracked(await RawSocket.open(stage.url));
    socket.send(frame);
    await socket.ended();
  });

  it.each(['40/admin,{}', '40/\n,{}', '40/__proto__,{}', '40/_0,{}'])(
    'that enters an unknown namespace by %j is told so, and cut off',
    async (frame) => {
      const socket = tracked(await RawSocket.open(stage.url));
      socket.send(frame);
      const refusal = await socket.next((answer) => answer.startsWith('44/'), 'a refusal');
      expect(refusal).toContain('"code":"UNKNOWN_COMMAND"');
      await socket.ended();
    },
  );

  it('that enters an unknown namespace beside the right one is told so, and goes on in that', async () => {
    const socket = await connect();
    socket.send('40/admin,{}');
    const refusal = await socket.next((answer) => answer.startsWith('44/'), 'a refusal');
    expect(refusal).toContain('"code":"UNKNOWN_COMMAND"');
    expect(await socket.command('session:get', {})).toMatchObject({ error: { code: 'NOT_IN_SESSION' } });
  });

  it('that sends CONNECT a second time is cut off or ignored', async () => {
    const socket = await connect();
    socket.send('40{}');
    socket.send('4299["session:get",{}]');
    await socket.nextOrClosed((frame) => frame.startsWith('4399['), 'an ack');
  });

  it.each(['error', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'message', 'ping', 'disconnected', ''])(
    'that sends the event "%s" learns that there is no such command',
    async (name) => {
      const socket = await connect();
      expect(await socket.command(name, {})).toMatchObject({ ok: false, error: { code: 'UNKNOWN_COMMAND' } });
      expect(await socket.command('session:create', {})).toMatchObject({ ok: true });
    },
  );

  it.each(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'])(
    'that sends the reserved event "%s" is cut off or refused',
    async (name) => {
      const socket = await connect();
      socket.send(`421${JSON.stringify([name, {}])}`);
      const refused = socket
        .next((frame) => frame.startsWith('431['), 'an ack')
        .then((frame) => {
          expect(frame).toContain('UNKNOWN_COMMAND');
        });
      await Promise.race([socket.ended(), refused]);
      refused.catch(() => undefined);
    },
  );

  it.each([
    ['a number for an event name', '421[7,{}]'],
    ['a fraction for an event name', '421[1.5]'],
  ])('that sends %s is refused', async (_what, frame) => {
    const socket = await connect();
    socket.send(frame);
    expect(await socket.next((candidate) => candidate.startsWith('431['), 'an ack')).toContain('UNKNOWN_COMMAND');
  });

  it.each([
    ['null for an event name', '42[null]'],
    ['a list for an event name', '42[["session:get"],{}]'],
    ['an object for an event name', '42[{"__proto__":1}]'],
    ['no event name', '42[]'],
    ['an object for an event', '42{"a":1}'],
    ['a text for an event', '42"session:get"'],
    ['truncated JSON', '42["session:get",{'],
    ['no JSON', '42'],
    ['an unknown packet type', '49[]'],
    ['a packet type that is a letter', '4x[]'],
    ['an empty message', '4'],
    ['binary without a header', Buffer.from([1, 2, 3])],
    ['11 attachments', '4511-["session:get",{"_placeholder":true,"num":0}]'],
    ['half an attachment', '451.5-["session:get",{}]'],
    ['attachments below zero', '45-1-["session:get",{}]'],
    ['attachments without an end', '4511111111111111111111111'],
    ['text while an attachment is due', ['451-["session:get",{"_placeholder":true,"num":0}]', '42["session:get",{}]']],
    [
      'a placeholder for an attachment that there is not',
      ['451-["session:get",{"_placeholder":true,"num":7}]', Buffer.from('x')],
    ],
    ['a connect_error', '44{"message":"x"}'],
    ['an Engine.IO packet that only servers send', '0{"sid":"x"}'],
    ['an Engine.IO packet of no known type', '9'],
    ['an Engine.IO upgrade', '5'],
    ['an empty frame', ''],
  ])('that sends %s is cut off, refused or ignored', async (_what, frames) => {
    const socket = await connect();
    for (const frame of [frames].flat()) socket.send(frame);
    socket.send('4299["session:get",{}]');
    await socket.nextOrClosed((frame) => frame.startsWith('4399['), 'an ack');
  });

  it('that announces an attachment and never sends it holds nobody up', async () => {
    const socket = await connect();
    socket.send('451-1["signal:send",{"type":"x","body":{"_placeholder":true,"num":0}}]');
    const other = await connect();
    expect(await other.command('session:create', {})).toMatchObject({ ok: true });
  });

  it('that sends an ack id of 29 digits gets an answer or is cut off', async () => {
    const socket = await connect();
    socket.send(`42${'9'.repeat(29)}["session:get",{}]`);
    await socket.nextOrClosed((frame) => frame.startsWith('43'), 'an ack');
  });

  it('that acknowledges what nobody asked is ignored', async () => {
    const socket = await connect();
    for (const frame of ['430[]', '4399999["x"]', '431[{"__proto__":1}]', '43[]']) socket.send(frame);
    expect(await socket.command('session:get', {})).toMatchObject({ error: { code: 'NOT_IN_SESSION' } });
  });

  it.each([33, 4200, 30_000])('that sends %d nested lists is refused or cut off', async (depth) => {
    const socket = await connect();
    await socket.command('session:create', {});
    for (const frame of [
      `42100["message:send",{"id":"message-1","body":${nestedText(depth)}}]`,
      `42101["message:send",${nestedText(depth)}]`,
      `42102["signal:send",{"type":"x","body":${nestedText(depth)}}]`,
      `42103["no:such",${nestedText(depth)}]`,
      `42["message:send",{"id":"message-2","body":${nestedText(depth)}}]`,
    ]) {
      socket.send(frame);
    }
    for (const id of ['100', '101', '102', '103']) {
      const outcome = await socket.nextOrClosed((frame) => frame.startsWith(`43${id}[`), `ack ${id}`);
      if (outcome === CLOSED) return;
      expect(outcome).toMatch(/INVALID_PAYLOAD|UNKNOWN_COMMAND/);
    }
  });

  it('that nests its handshake 30,000 deep is refused or cut off', async () => {
    const socket = tracked(await RawSocket.open(stage.url));
    socket.send(`40{"resume":${nestedText(30_000)}}`);
    await socket.nextOrClosed((frame) => frame.startsWith('44'), 'a refusal');
  });

  it('that sends an event name of 60 kB is refused', async () => {
    const socket = await connect();
    const answer = await socket.command('x'.repeat(60_000), {});
    expect(answer).toMatchObject({ ok: false, error: { code: 'UNKNOWN_COMMAND' } });
    expect(JSON.stringify(answer).length).toBeLessThan(2000);
  });

  it('that sends an unknown field with a name of 60 kB is not told it all again', async () => {
    const socket = await connect();
    const answer = await socket.command('session:create', { ['x'.repeat(60_000)]: 1 });
    expect(answer).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } });
    expect(JSON.stringify(answer).length).toBeLessThan(4000);
  });

  it('that sends 2,500 wrong fields gets a short answer', async () => {
    const socket = await connect();
    const payload = Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`field-${n}`, n]));
    const answer = await socket.command('session:create', payload);
    expect(answer).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } });
    expect(JSON.stringify(answer).length).toBeLessThan(20_000);
  });

  it.each([
    ['text', 'x'.repeat(70_000)],
    ['binary', Buffer.alloc(70_000)],
  ])('that sends a packet of 70 kB as %s is cut off', async (_what, content) => {
    const socket = await connect();
    socket.send(typeof content === 'string' ? `42["message:send",{"id":"message-1","body":"${content}"}]` : content);
    await socket.ended();
  });

  it('that sends 1,000 commands at once is answered each time', async () => {
    const socket = await connect();
    await socket.command('session:create', {});
    const answers = await Promise.all(Array.from({ length: 1000 }, () => socket.command('session:get', {})));
    expect(answers).toHaveLength(1000);
  });

  it('that leaves in the middle of its commands leaves nothing behind', async () => {
    const socket = await connect();
    await socket.command('session:create', {});
    for (let n = 0; n < 200; n += 1) socket.send(`42${n}["message:send",{"id":"message-${n}","body":${n}}]`);
    await socket.close();
  });
});
