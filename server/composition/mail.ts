/** Builds what invites by mail. A part of the composition root. */
import { v7 as uuidv7 } from 'uuid';
import { TandemError } from '../../protocol/errors.ts';
import type { Session } from '../../protocol/session.ts';
import type { Backbone } from '../backbone/backbone.ts';
import type { Config } from '../config.ts';
import type { OpenDurable } from '../durable/open-durable.ts';
import { createMailQueue, type MailQueueJob } from '../jobs/mail-queue.ts';
import { InvitationService } from '../mail/invitation-service.ts';
import { createSmtpSender } from '../mail/smtp-sender.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';

export interface MailParts {
  config: Config;
  durable: OpenDurable;
  backbone: Backbone;
  directory: Pick<SessionDirectory, 'look'>;
  logger: Logger;
  metrics: Metrics;
  onFault: (error: unknown) => void;
}

export interface MailRoom {
  readonly invitations: InvitationService;
  /** Sends what is queued; null without a mail server. */
  readonly job: MailQueueJob | null;
}

export function createMail({ config, durable, backbone, directory, logger, metrics, onFault }: MailParts): MailRoom {
  const { url, from } = config.mail;
  const { now, limits } = backbone;
  const queue = durable.mailQueue;
  const job =
    url === null || from === null
      ? null
      : createMailQueue({
          ...{ queue, now, metrics, logger },
          sender: createSmtpSender({ url, from }),
          look: (sessionId) => lookOrNull(directory, sessionId),
          onError: onFault,
        });
  const invitations = new InvitationService({
    ...{ queue, limits, now },
    rules: config.limits,
    isConfigured: job !== null,
    newId: uuidv7,
    onQueued: () => job?.wake(),
  });
  return { invitations, job };
}

async function lookOrNull(directory: Pick<SessionDirectory, 'look'>, sessionId: string): Promise<Session | null> {
  try {
    return await directory.look(sessionId);
  } catch (error) {
    if (error instanceof TandemError && error.code === 'SESSION_NOT_FOUND') return null;
    throw error;
  }
}
