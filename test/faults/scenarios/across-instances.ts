import { Client } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import { resumeOf } from '../../support/seat.ts';
import type { Seat } from '../../support/seat.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { readPostgres } from '../stores.ts';

/** One of everything that concerns two participants, with the host on one instance and everybody else on the other. */
export async function acrossInstances(arena: Arena, here: Instance, there: Instance): Promise<void> {
  const clients: Client[] = [];
  const connect = async (
    instance: Instance,
    options: ConstructorParameters<typeof Client>[1] = {},
  ): Promise<Client> => {
    const client = new Client(instance.server.url, options);
    clients.push(client);
    const refusal = await client.opened();
    if (refusal !== null) throw refusal;
    return client;
  };
  try {
    const host = await created(await connect(here));
    const guest = await admitted(host, await connect(there));
    await conversed(host, guest);
    await signalled(host, guest);

    // The guest comes back to the instance of the host, and the host to that of the guest.
    guest.client.close();
    const said = await host.client.do('message:send', { id: 'while-away', body: 'while you were away' });
    const back = await connect(here, { auth: resumeOf(guest, { lastSeq: 2, lastId: 'from-guest' }) });
    const resumed = await back.next('session:resumed');
    const ids = resumed.messages.map(({ id }) => id).join();
    arena.demand(!resumed.reset && ids === 'while-away', () => `a resume gave ${JSON.stringify(resumed)}`);
    host.client.close();
    const hostAgain = await connect(there, { auth: resumeOf(host, { lastSeq: said.seq, lastId: said.id }) });
    await hostAgain.next('session:resumed');
    const repeated = await hostAgain.do('message:send', { id: 'while-away', body: 'while you were away' });
    arena.demand(repeated.duplicate && repeated.seq === said.seq, () => 'a repeated send was not recognised');

    await hostAgain.do('session:lock', { locked: true });
    const updated = await back.next('session:updated');
    arena.demand(updated.session.locked, () => 'the guest was not told of the lock');
    await archivedTo(arena, host.session.id, hostAgain, said.seq);
    await hostAgain.do('session:kick', { participantId: guest.self.participantId });
    const closing = await back.next('connection:closing');
    arena.demand(closing.reason === 'kicked', () => `who was kicked was told ${closing.reason}`);
    const refusal = await refusalOf(there, guest);
    arena.demand(refusal === 'RESUME_REJECTED', () => `who was kicked came back to the other instance: ${refusal}`);
    await hostAgain.do('session:close', {});
  } catch (error) {
    arena.complaints.push(
      `${here.name} and ${there.name}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    );
  } finally {
    for (const client of clients) client.close();
  }
}

async function created(client: Client): Promise<Seat> {
  const { session, self } = await client.do('session:create', { name: 'host', approval: true, capacity: 3 });
  return { client, session, self };
}

/** Through a knock that the host answers on another instance. */
async function admitted(host: Seat, client: Client): Promise<Seat> {
  const joining = client.do('session:join', { code: host.session.code ?? '', name: 'guest' });
  const { knockId } = await host.client.next('session:knock');
  await host.client.do('session:admit', { knockId, admit: true });
  const { session, self } = await joining;
  await host.client.next('session:joined');
  return { client, session, self };
}

async function conversed(host: Seat, guest: Seat): Promise<void> {
  await host.client.do('message:send', { id: 'from-host', body: { text: 'hello' } });
  await guest.client.next('message:new', ({ id }) => id === 'from-host');
  await guest.client.do('message:send', { id: 'from-guest', body: { text: 'hello, too' } });
  await host.client.next('message:new', ({ id }) => id === 'from-guest');
  await guest.client.do('message:receipt', { delivered: 2, read: 1 });
  await host.client.next('message:receipt', ({ delivered, read }) => delivered === 2 && read === 1);
}

async function signalled(host: Seat, guest: Seat): Promise<void> {
  const { recipients } = await guest.client.do('signal:send', { type: 'typing', body: true });
  if (recipients !== 1) throw new Error(`a signal had ${recipients} recipients`);
  await host.client.next('signal:new');
}

async function archivedTo(arena: Arena, sessionId: string, client: Client, seq: number): Promise<void> {
  await eventually(async () => {
    const { session } = await client.do('session:get', {});
    if (session.durableSeq < seq) throw new Error(`archived to ${session.durableSeq} of ${seq}`);
  });
  const url = arena.deployment.databaseUrl;
  if (url === null) return;
  const rows = (await readPostgres(url, sessionId)).map(({ id }) => id).join();
  arena.demand(rows === 'from-host,from-guest,while-away', () => `Postgres has ${rows}`);
}

async function refusalOf(instance: Instance, seat: Seat): Promise<string> {
  const client = new Client(instance.server.url, { auth: resumeOf(seat) });
  try {
    return (await client.opened())?.data?.code ?? 'accepted';
  } finally {
    client.close();
  }
}
