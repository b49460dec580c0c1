import { Client } from '../../support/client.ts';
import type { ClientOptions } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import type { Instance } from '../instance.ts';

/** A connection to this instance, which may say that it is busy and is then asked again. */
export async function connectedTo({ server }: Instance, options: ClientOptions = {}): Promise<Client> {
  return connected(server.url, options);
}

export async function connected(url: string, options: ClientOptions = {}): Promise<Client> {
  return eventually(async () => {
    const client = new Client(url, options);
    const refusal = await client.opened();
    if (refusal === null) return client;
    client.close();
    throw refusal;
  });
}
