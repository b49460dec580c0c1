import { afterAll, describe, expect, it } from '@jest/globals';
import { COMMAND_NAMES } from '../protocol/commands.ts';
import { Random, seedOfRun } from './support/random.ts';
import { RawSocket } from './support/raw.ts';
import { stageSpawnedServer } from './support/spawned-stage.ts';

const PACKETS = 6_000;
const seed = seedOfRun();

/** Makes packets that are wrong in every way that came to mind, and now and then right ones. */
class PacketSource {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  frames(): (string | Buffer)[] {
    const kind = this.#random.below(20);
    if (kind === 0) return [this.#noise()];
    if (kind === 1) return [Buffer.from(this.#noise())];
    if (kind === 2) return [this.#mutated(this.#command())];
    if (kind === 3) return [`45${this.#random.below(3)}-${this.#command().slice(2)}`, Buffer.from(this.#noise())];
    if (kind === 4) return [`43${this.#random.below(100)}[${JSON.stringify(this.#value(3))}]`];
    return [this.#command()];
  }

  #command(): string {
    const random = this.#random;
    const name = random.below(12) === 0 ? this.#text() : random.pick(COMMAND_NAMES);
    const id = random.below(3) === 0 ? '' : String(random.below(1000));
    const args = random.below(15) === 0 ? [this.#value(4), this.#value(2)] : [this.#payload()];
    return `42${id}${JSON.stringify([name, ...args])}`;
  }

  #payload(): unknown {
    const random = this.#random;
    if (random.below(8) === 0) return this.#value(4);
    const names = ['id', 'body', 'type', 'code', 'key', 'name', 'to', 'limit', 'afterSeq', 'beforeSeq', 'read'];
    names.push('delivered', 'state', 'locked', 'participantId', 'capacity', 'metadata', 'shareHistory', '__proto__');
    const payload: [string, unknown][] = [];
    for (let n = random.below(5); n > 0; n -= 1) payload.push([random.pick(names), this.#value(3)]);
    if (random.below(3) === 0) payload.push(['id', `fuzz-${random.below(50)}-message`], ['body', this.#value(3)]);
    return Object.fromEntries(payload);
  }

  #value(depth: number): unknown {
    const random = this.#random;
    switch (random.below(depth > 0 ? 12 : 9)) {
      case 0:
        return null;
      case 1:
        return random.below(2) === 0;
      case 2:
        return random.pick([0, -1, 1, 1.5, 2 ** 53, -(2 ** 53), 1e308, 200, 4_294_967_296]);
      case 3:
      case 4:
        return this.#text();
      case 5:
        return `message-${random.below(100)}`;
      case 6:
        return random.pick(['BCD234', 'bcd-234', 'active', 'idle', 'text', 'typing']);
      case 7:
        return { _placeholder: true, num: random.below(3) };
      case 8:
        return {};
      case 9:
        return Array.from({ length: random.below(4) }, () => this.#value(depth - 1));
      case 10:
        return JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown;
      default:
        return Object.fromEntries(
          Array.from({ length: random.below(4) }, () => [this.#text().slice(0, 12), this.#value(depth - 1)]),
        );
    }
  }

  #text(): string {
    const random = this.#random;
    const pieces = [
      '',
      'x',
      '\u0000',
      '\ud800',
      '\udfff',
      '\u{1f600}',
      '{p:',
      '}',
      "'; drop table",
      '../',
      '%00',
      '<b>',
    ];
    pieces.push('__proto__', 'constructor', '\n', '\u202e', 'x'.repeat(70), 'y'.repeat(17_000), '$gt', 'session:');
    return random.pick(pieces) + random.pick(pieces);
  }

  #noise(): string {
    return Array.from({ length: this.#random.below(40) }, () => String.fromCharCode(this.#random.below(300))).join('');
  }

  #mutated(frame: string): string {
    const at = this.#random.below(frame.length);
    const cut =
      frame.slice(0, at) + String.fromCharCode(this.#random.below(300)) + frame.slice(at + this.#random.below(3));
    return this.#random.below(2) === 0 ? cut : cut.slice(0, this.#random.below(cut.length) + 1);
  }
}

describe(`a fuzzer with seed ${seed}`, () => {
  const stage = stageSpawnedServer();
  const sockets: RawSocket[] = [];

  afterAll(async () => {
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  it(`sends ${PACKETS} packets, and a pair that talks meanwhile does not notice`, async () => {
    const host = await RawSocket.connect(stage.url);
    const created = (await host.command('session:create', {})) as { session: { code: string } };
    const guest = await RawSocket.connect(stage.url);
    expect(await guest.command('session:join', { code: created.session.code })).toMatchObject({ ok: true });
    sockets.push(host, guest);

    const random = new Random(seed);
    const source = new PacketSource(random);
    let sent = 0;
    let connections = 0;
    let said = 0;
    while (sent < PACKETS) {
      const fuzzed = await RawSocket.connect(stage.url);
      connections += 1;
      if (random.below(3) > 0) await fuzzed.command('session:create', { capacity: 5 });
      // A connection is used up soon: the 20th packet without sense ends it.
      for (let n = 0; n < 120 && sent < PACKETS; n += 1) {
        for (const frame of source.frames()) fuzzed.send(frame);
        sent += 1;
        if (n % 10 !== 9) continue;
        said += 1;
        const answer = await host.command('message:send', { id: `between-${said}-packets`, body: said });
        expect({ seed, answer }).toMatchObject({ seed, answer: { ok: true, seq: said } });
        if (fuzzed.ws.readyState !== fuzzed.ws.OPEN) break;
      }
      await fuzzed.close();
    }
    expect(connections).toBeGreaterThanOrEqual(50);
    await guest.command('session:get', {});
    const heard = guest.frames.all.filter((frame) => frame.startsWith('42["message:new"')).length;
    expect({ seed, heard, running: stage.server.isRunning() }).toEqual({ seed, heard: said, running: true });
  }, 120_000);
});
