/** Builds what an operator looks at: the reports of the instances, and the console. A part of the composition root. */
import type { Backbone, HotState } from '../backbone/backbone.ts';
import type { Config } from '../config.ts';
import { createReporter } from '../jobs/reporter.ts';
import type { Job } from '../jobs/loop.ts';
import type { Health } from '../observability/health.ts';
import { createInstanceReport } from '../observability/instance-report.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Gateway } from '../realtime/gateway.ts';
import { VERSION } from '../version.ts';
import type { Domain } from './domain.ts';
import type { IdentityRoom } from './identity.ts';
import type { MailRoom } from './mail.ts';

export interface ConsoleParts {
  config: Config;
  backbone: Backbone;
  hot: HotState;
  gateway: Gateway;
  domain: Domain;
  identity: IdentityRoom;
  health: Health;
  mail: MailRoom;
  metrics: Metrics;
  instanceId: string;
  isDraining: () => boolean;
  onStopAsked: () => void;
  onFault: (error: unknown) => void;
}

/** Gives the loop that reports. */
export function openConsole(parts: ConsoleParts): Job {
  const { config, backbone, hot, gateway, domain, identity, health, mail, metrics, instanceId } = parts;
  const { now, durability, reports } = backbone;
  const { state, archiveLagMs, countSetAside } = hot;
  const reporter = createReporter({
    make: createInstanceReport({
      ...{ instanceId, version: VERSION, startedAt: now(), health, metrics, durability, now },
      isDraining: parts.isDraining,
      archive: () => {
        const { backlog, oldestWriteAgeMs } = state.counts();
        return { lagMs: Math.round(archiveLagMs?.() ?? oldestWriteAgeMs), backlogMessages: backlog };
      },
      countSetAside: countSetAside ?? (() => Promise.resolve(0)),
      mail: () => mail.job?.status() ?? 'disabled',
    }),
    reports,
    onError: parts.onFault,
  });
  gateway.openConsole({
    adminToken: config.adminToken,
    instanceId,
    own: () => reporter.latest(),
    reports,
    directory: domain.directory,
    backend: domain.backend,
    accounts: identity.accounts,
    signOut: identity.signOut,
    onStopAsked: parts.onStopAsked,
  });
  return reporter;
}
