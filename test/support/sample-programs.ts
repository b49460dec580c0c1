/**
 * What the samples of the documentation are run with. `before` stands in front of a block and `after` behind it, in one
 * module; `help` is what run-samples.js gives them.
 */
export interface SampleProgram {
  readonly before?: string;
  readonly after: string;
}

export const PROGRAMS: Readonly<Record<string, SampleProgram>> = {
  /** docs/client.md: the first lines with the library. */
  intro: { after: "await help.printed('1 text hello true'); client.close();" },
  /** docs/client.md: a host that is asked about everybody. */
  approval: {
    before: `import { TandemClient } from '@tandem/client';
      const [client, other] = [0, 1].map(() => new TandemClient({ url: help.url }));
      const session = await client.create({ approval: true });
      const confirm = (question) => question === 'Let Bob in?';`,
    after: `const joined = await other.join(session.info.code, { name: 'Bob' });
      help.equal(joined.id, session.id);`, // Nothing is closed: the host has its own answer yet to come.
  },
  /** docs/protocol.md: a connection that returns to its seat. */
  handshake: {
    before: `import { io } from 'socket.io-client';
      const first = io(help.url, { transports: ['websocket'] });
      const { session, self } = await first.emitWithAck('session:create', {});
      const { participantId, resumeToken } = self;
      const resume = { sessionId: session.id, participantId, resumeToken, epoch: session.epoch, lastSeq: 0 };
      first.disconnect();`,
    after: `const resumed = await new Promise((resolve) => socket.once('session:resumed', resolve));
      help.equal(resumed.session.id, session.id); socket.disconnect();`,
  },
  /** docs/protocol.md: a command and its ack. */
  command: {
    before: `import { io } from 'socket.io-client';
      const id = crypto.randomUUID();
      const socket = io(help.url, { transports: ['websocket'] });
      await socket.emitWithAck('session:create', {});`,
    after: "await help.printed('1'); socket.disconnect();",
  },
  /** client/README.md, examples/README.md: the library from a server, in a module of one's own. */
  module: { after: "help.equal(typeof (await import('@tandem/client')).TandemClient, 'function');" },
  /** client/README.md: the library with types. */
  use: { after: "await help.printed('1 move { x: 3, y: 4 }'); client.close();" },
  /** docs/quick-start.md: a program that talks; its lines are those of the standard input. */
  talk: {
    before: `import { TandemClient as Other } from '@tandem/client';
      const other = new Other({ url: help.url });
      const peer = await other.create();
      process.argv[2] = peer.info.code;
      const heard = new Promise((resolve) => peer.on('message', ({ body }) => resolve(body)));
      const left = new Promise((resolve) => peer.on('left', resolve));`,
    after: `help.equal(await heard, 'hello from a line'); await left; other.close();`,
  },
};

export const STANDARD_INPUT = 'hello from a line\n';
