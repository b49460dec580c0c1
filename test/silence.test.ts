import { describe, expect, it } from '@jest/globals';
import { RawSocket } from './support/raw.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

describe('a connection that has gone silent', () => {
  const stage = stageServer();

  it('is away within 25 s, and its participant comes back as if nothing had been', async () => {
    const host = await stage.host();
    const silent = await RawSocket.connect(stage.url);
    try {
      const answer = await silent.command('session:join', { code: codeOf(host.session) });
      expect(answer).toMatchObject({ ok: true });
      const seat = answer as Pick<Seat, 'session' | 'self'>; // What the line above has asserted, in types.
      // As when the cable is out: no byte passes, and nobody says so.
      silent.ws.pause();
      const away = await host.client.next('session:presence', () => true, 25_000);
      expect(away).toEqual({ participantId: seat.self.participantId, presence: 'away' });
      await host.client.do('message:send', { id: 'into-the-silence', body: 1 });
      const back = await stage.connect({ auth: resumeOf(seat) });
      expect(await back.next('session:resumed')).toMatchObject({ messages: [{ id: 'into-the-silence' }] });
      expect(await host.client.next('session:presence')).toMatchObject({ presence: 'online' });
      expect((await host.client.do('session:get', {})).session.participants).toHaveLength(2);
    } finally {
      await silent.close();
    }
  }, 40_000);
});
