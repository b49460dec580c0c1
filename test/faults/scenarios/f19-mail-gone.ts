import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../../../protocol/session.ts';
import { Api, sha256Of } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import { sumMetric } from '../metric.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { compared, demandDelivery, during, shown } from './delivery.ts';

const KEY = 'the-api-key-of-this-scenario';
const ADMIN_TOKEN = 'the-admin-token-of-this-scenario';
const INVITATIONS = 6;
const CALM_MS = 5_000;
const GONE_MS = 8_000;
const LONG_GONE_MS = 60_000;
/** Far less than a mail server that does not answer would take. */
const ACCEPTED_WITHIN_MS = 2_000;
/** Attempts come after about 5, 10, 20 … s; a queue is looked at every 5 s. */
const DELIVERED_WITHIN_MS = 40_000;
const LONG_DELIVERED_WITHIN_MS = 130_000;

export const f19: Scenario = {
  name: 'F19',
  what: 'the mail server is gone, or a black hole; then it answers each new recipient 451 at first',
  hotStates: ['redis'],
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    return { ...usual, hasMail: true, env: { ...usual.env, API_KEYS: `shop:${sha256Of(KEY)}`, ADMIN_TOKEN } };
  },
  async run(arena, random, { isLong }) {
    const { mail, mailLink } = arena.deployment;
    if (mail === null || mailLink === null) throw new Error('this fault needs a mail server');
    // What a server does for the first time takes longer.
    await arena.acknowledgements(200);
    const calm = await during(arena, () => delay(CALM_MS));

    const isBlackHole = random.next() < 0.5;
    if (isBlackHole) mailLink.set({ kind: 'swallow' });
    else mailLink.refuse(true);
    let early: string[] = [];
    const gone = await during(arena, async () => {
      early = await invite(arena, 'early');
      await delay(isLong ? LONG_GONE_MS : GONE_MS);
      await demandReady(arena);
      // A mail server that says nothing is given up after 10 s.
      await eventually(() => demandMail(arena, 'degraded'), 30_000);
    });
    arena.demand(mail.mails.all.length === 0, () => 'a mail went through a link that passes nothing');

    const namings = new Map<string, number>();
    mail.judge((recipient) => {
      const count = (namings.get(recipient) ?? 0) + 1;
      namings.set(recipient, count);
      return count === 1 ? { code: 451, message: '4.7.1 try again later' } : null;
    });
    const backAt = performance.now();
    mailLink.heal();
    const later = await invite(arena, 'later');
    const wanted = [...early, ...later];
    await eventually(
      () => {
        const taken = new Set(mail.mails.all.flatMap(({ to }) => to));
        const missing = wanted.filter((recipient) => !taken.has(recipient));
        return missing.length === 0 ? Promise.resolve() : Promise.reject(new Error(`no mail for ${missing.join()}`));
      },
      isLong ? LONG_DELIVERED_WITHIN_MS : DELIVERED_WITHIN_MS,
    );
    const tookMs = Math.round(performance.now() - backAt);
    await eventually(() => demandMail(arena, 'ok'));
    const taken = mail.mails.all.map(({ to }) => to.join()).sort();
    arena.demand(taken.join() === wanted.sort().join(), () => `mails were taken for ${taken.join()}`);
    const emails = await sumMetric(arena.deployment.instances, 'tandem_emails_total');
    const [sent = 0, failed = 0] = ['sent', 'failed'].map((outcome) => emails.get(`outcome="${outcome}"`));
    arena.demand(sent === wanted.length && failed === 0, () => `the servers count ${sent} sent and ${failed} failed`);
    demandDelivery(arena, 'no mail server', gone, [calm]);
    arena.figures.push(
      `the mail server was ${isBlackHole ? 'a black hole' : 'gone'}; ${wanted.length} invitations, each taken once, the last ${tookMs} ms after it was back`,
      `each named ${[...namings.values()].join()} times, the first answered 451`,
      `delivery p99 before ${shown(calm)}, without a mail server ${compared(gone, calm)}`,
    );
  },
};

/** Asks all instances in turn to invite; gives the addresses. */
async function invite(arena: Arena, name: string): Promise<string[]> {
  const addresses: string[] = [];
  for (let index = 0; index < INVITATIONS; index += 1) {
    const { instances } = arena.deployment;
    const instance = instances[index % instances.length];
    if (instance === undefined) throw new Error('no instance is there');
    const api = new Api(instance.server.url);
    // It is the invitation that is timed.
    const { session } = await eventually(() =>
      api.ok<{ session: Session }>('POST', '/api/v1/sessions', { key: KEY, body: {} }),
    );
    const to = `${name}-${index}@example.org`;
    const askedAt = performance.now();
    const { status } = await api.call('POST', '/api/send-email', { key: KEY, body: { sessionId: session.id, to } });
    const tookMs = performance.now() - askedAt;
    arena.demand(
      status === 202 && tookMs <= ACCEPTED_WITHIN_MS,
      () => `an invitation was answered ${status} after ${Math.round(tookMs)} ms`,
    );
    addresses.push(to);
  }
  return addresses;
}

async function demandReady({ deployment, complaints }: Arena): Promise<void> {
  for (const instance of deployment.instances) {
    const ready = await instance.get('/health/ready');
    if (ready?.status !== 200) complaints.push(`${instance.name} without mail is not ready: ${JSON.stringify(ready)}`);
  }
}

/** Of those that had a mail to bring: any of them may have taken all that there were. */
async function demandMail({ deployment }: Arena, status: 'ok' | 'degraded'): Promise<void> {
  const statuses = await Promise.all(
    deployment.instances.map(async ({ server }) => {
      const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
      const response = await fetch(`${server.url}/health/detailed`, { headers });
      const report = (await response.json()) as { checks: { mail: { status: string } } }; // By the contract.
      return report.checks.mail.status;
    }),
  );
  const isSo = status === 'ok' ? statuses.every((one) => one === 'ok') : statuses.includes('degraded');
  if (!isSo) throw new Error(`expected that mail is ${status}, got ${statuses.join()}`);
}
