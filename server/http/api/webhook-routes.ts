import { z } from 'zod';
import type { Webhook } from '../../auth/webhook.ts';
import { bodyBytesOf } from '../middleware/json-body.ts';
import { defineRoute, type ApiRoute } from './route.ts';

/** What whoever keeps the accounts elsewhere has to say. */
export function webhookRoutes(webhook: Pick<Webhook, 'handle'>): ApiRoute[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/webhooks/auth',
      name: 'receiveAuthWebhook',
      summary: 'Signed as Standard Webhooks has it: a user was deleted, has another password, or has signed out',
      who: 'signed',
      tier: 'none',
      // What it holds counts when the signature is right, and is read after that.
      body: z.looseObject({}),
      errors: ['UNAUTHENTICATED'],
      handle: async ({ raw }) => {
        const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = raw.headers;
        const signed = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature };
        await webhook.handle(signed, bodyBytesOf(raw));
      },
    }),
  ];
}
