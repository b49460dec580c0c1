import { randomUUID } from 'node:crypto';
import { Client } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import { resumeOf } from '../../support/seat.ts';
import type { Seat } from '../../support/seat.ts';
import type { Arena } from '../arena.ts';

/** Somebody who was kicked, and the host was answered ok. */
export interface PutOut {
  readonly host: Seat;
  readonly guest: Seat;
}

/** In a session of its own: one more conversation with a host and a guest, and the guest is kicked. */
export async function putOut({ deployment }: Arena): Promise<PutOut> {
  const [one, other = one] = deployment.instances.filter(({ isAccepting }) => isAccepting);
  if (one === undefined || other === undefined) throw new Error('no instance is there');
  const host = await take(new Client(one.server.url), { capacity: 3 });
  const code = host.session.code ?? '';
  const guest = await take(new Client(other.server.url), { code });
  await kick(host, guest.self.participantId);
  guest.client.close();
  return { host, guest };
}

/** Whatever happened to the stores since: the seat is gone, and the code with it. */
export async function expectPutOut(arena: Arena, { host, guest }: PutOut): Promise<void> {
  const [instance] = arena.deployment.instances.filter(({ isAccepting }) => isAccepting);
  const url = instance?.server.url ?? '';
  host.client.close();
  await eventually(async () => {
    const again = new Client(url, { auth: resumeOf(guest) });
    try {
      const refusal = await again.opened();
      if (refusal === null || refusal.data?.retryable === false) {
        arena.demand(
          refusal?.data?.code === 'RESUME_REJECTED',
          () => `whoever was kicked came back: ${refusal === null ? 'accepted' : refusal.message}`,
        );
        return;
      }
      throw refusal;
    } finally {
      again.close();
    }
  });
  const back = new Client(url, { auth: resumeOf(host) });
  try {
    const refusal = await back.opened();
    arena.demand(refusal === null, () => `the host of a quiet session did not come back: ${String(refusal?.message)}`);
    if (refusal !== null) return;
    const { session } = await eventually(() => back.do('session:get', {}));
    const seats = session.participants.length;
    arena.demand(seats === 1, () => `${seats} have a seat in a session where one was kicked`);
    await eventually(() => back.do('session:close', {}));
  } finally {
    back.close();
  }
}

/** The key makes a repetition after an answer that did not come the same seat. */
async function take(client: Client, payload: { capacity: number } | { code: string }): Promise<Seat> {
  const refusal = await client.opened();
  if (refusal !== null) throw refusal;
  const key = randomUUID();
  return eventually(async () => {
    const { session, self } =
      'code' in payload
        ? await client.do('session:join', { ...payload, key })
        : await client.do('session:create', { ...payload, key });
    return { client, session, self };
  });
}

/** Until the host is answered ok, or that there is nobody left to put out. */
async function kick(host: Seat, participantId: string): Promise<void> {
  await eventually(async () => {
    const answer = await host.client.send('session:kick', { participantId });
    if (!answer.ok && answer.error.retryable) throw new Error(answer.error.message);
  });
}
