/**
 * Takes seats and keeps them until its channel to the runner closes. Its argument is a `SeatPlan`; it tells its parent when all
 * seats are taken.
 */
import { once } from 'node:events';
import { z } from 'zod';
import { BenchClient } from '../engine/bench-client.ts';
import { seatPlanSchema, type Seated } from './seat-plan.ts';

const createdSchema = z.object({ session: z.object({ code: z.string() }) });

const plan = seatPlanSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
const clients: BenchClient[] = [];
let begun = 0;
const startedAt = performance.now();
const cpuBefore = process.cpuUsage();
await Promise.all(Array.from({ length: plan.atOnce }, makePairs));
const elapsedMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(cpuBefore);
const seated: Seated = { elapsedMs, cores: (user + system) / 1000 / elapsedMs };
process.send?.(seated);
await once(process, 'disconnect');
// Its connections end with it.
process.exit();

async function makePairs(): Promise<void> {
  while (begun < plan.pairs) {
    begun += 1;
    const host = await BenchClient.connect(plan.address);
    const { session } = createdSchema.parse(await host.request('session:create', {}));
    const guest = await BenchClient.connect(plan.guestAddress);
    await guest.request('session:join', { code: session.code });
    if (plan.isStaying) clients.push(host, guest);
    else await Promise.all([host.close(), guest.close()]);
  }
}
