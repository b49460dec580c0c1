/**
 * The generator's process: one plan in as its argument, one result out over the channel to its parent. A process of
 * its own, so that neither the runner nor the server shares its event loop.
 */
import { runLoad } from './engine/load.ts';
import { planSchema } from './engine/plan.ts';

const plan = planSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
const result = await runLoad(plan);
process.send?.(result);
process.disconnect();
