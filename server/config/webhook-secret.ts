import { refuse, type Parse } from './parsed.ts';
import { bearerToken } from './secrets.ts';

const PREFIX = /^(?:v1,)?whsec_/;

/**
 * What the other side signs webhooks with: `whsec_` and base64, as Standard Webhooks has it, also with the `v1,` that
 * Supabase puts before it; or any text that is hard to guess.
 */
export const webhookSecret: Parse<string> = (text, context) => {
  const key = text.replace(PREFIX, '');
  if (key !== text && !/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(key)) {
    return refuse({ expected: 'base64 behind whsec_', advice: 'copy it from where webhooks are sent from' });
  }
  const outcome = bearerToken(key, context);
  return outcome.ok ? { ok: true, value: text } : outcome;
};
