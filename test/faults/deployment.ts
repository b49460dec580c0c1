import { randomBytes } from 'node:crypto';
import { copyDataDirectory, emptyDataDirectory } from '../support/data-directory.ts';
import type { Environment } from '../support/environment.ts';
import { startMailServer } from '../support/mail-server.ts';
import type { MailServer } from '../support/mail-server.ts';
import { freePorts, startNginx } from '../support/nginx.ts';
import type { Nginx } from '../support/nginx.ts';
import { startPostgres } from '../support/postgres-server.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { startCluster } from '../support/redis-cluster.ts';
import type { RedisClusterServers } from '../support/redis-cluster.ts';
import { startSentinels } from '../support/redis-sentinels.ts';
import type { Sentinels } from '../support/redis-sentinels.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer, RedisServerOptions } from '../support/redis-server.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { Instance } from './instance.ts';
import type { RedisCommand } from './stores.ts';

/** What holds the hot state: this process alone, or Redis in one of its forms. */
export type HotState = 'embedded' | 'redis' | 'sentinel' | 'cluster';

export interface DeploymentOptions {
  readonly hotState: HotState;
  /** One when the state is embedded. */
  readonly instances: number;
  readonly redis?: RedisServerOptions;
  readonly env?: Environment;
  /** A real nginx with the configuration of deploy/nginx before the instances, in place of the balancing that clients do. */
  readonly isBehindNginx?: boolean;
  /** Mails go to a mail server of the run. */
  readonly hasMail?: boolean;
  /** What all instances run at first, in place of what this checkout was built to. */
  readonly main?: string;
}

/** Everything that a run needs beside its clients, with a proxy between each instance and each single server. */
export class Deployment {
  readonly instances: readonly Instance[];
  /** Between an instance and Redis, in the order of the instances; none where servers name each other's addresses. */
  readonly redisLinks: readonly TcpProxy[];
  readonly databaseLinks: readonly TcpProxy[];
  readonly redis: RedisServer | null;
  readonly sentinels: Sentinels | null;
  readonly cluster: RedisClusterServers | null;
  readonly postgres: PostgresServer | null;
  readonly nginx: Nginx | null;
  readonly mail: MailServer | null;
  /** Between all instances and the mail server. */
  readonly mailLink: TcpProxy | null;
  /** Of the database itself, past every proxy. */
  readonly databaseUrl: string | null;
  readonly #closers: (() => Promise<void>)[];

  private constructor(parts: Parts) {
    this.instances = parts.instances;
    this.redisLinks = parts.redisLinks;
    this.databaseLinks = parts.databaseLinks;
    this.redis = parts.redis;
    this.sentinels = parts.sentinels;
    this.cluster = parts.cluster;
    this.postgres = parts.postgres;
    this.nginx = parts.nginx;
    this.mail = parts.mail;
    this.mailLink = parts.mailLink;
    this.databaseUrl = parts.databaseUrl;
    this.#closers = parts.closers;
  }

  static async start(options: DeploymentOptions): Promise<Deployment> {
    const parts: Parts = { ...NOTHING, instances: [], redisLinks: [], databaseLinks: [], closers: [] };
    const deployment = (): Deployment => new Deployment(parts);
    try {
      if (options.hotState === 'embedded') await addEmbedded(parts, options);
      else await addServers(parts, options);
      // One after the other: the first makes the tables, and a machine of two cores starts no three at once any faster.
      for (const instance of parts.instances) await instance.start();
      return deployment();
    } catch (error) {
      await deployment().stop();
      throw error;
    }
  }

  /** Past every proxy: for whoever reads the truth. Null when there is no Redis. */
  get redisCommand(): RedisCommand | null {
    const { redis, sentinels, cluster } = this;
    if (redis !== null) return (_key, ...args) => redis.command(...args);
    if (sentinels !== null) return async (_key, ...args) => (await sentinels.primary()).command(...args);
    if (cluster !== null) return async (key, ...args) => (await cluster.ownerOf(key)).command(...args);
    return null;
  }

  /** Every proxy passes everything again. */
  heal(): void {
    for (const link of [...this.redisLinks, ...this.databaseLinks]) link.heal();
    this.mailLink?.heal();
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop()));
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

interface Parts {
  instances: Instance[];
  redisLinks: TcpProxy[];
  databaseLinks: TcpProxy[];
  redis: RedisServer | null;
  sentinels: Sentinels | null;
  cluster: RedisClusterServers | null;
  postgres: PostgresServer | null;
  nginx: Nginx | null;
  mail: MailServer | null;
  mailLink: TcpProxy | null;
  databaseUrl: string | null;
  closers: (() => Promise<void>)[];
}

const NOTHING = {
  ...{ redis: null, sentinels: null, cluster: null, postgres: null },
  ...{ nginx: null, mail: null, mailLink: null, databaseUrl: null },
};

async function addEmbedded(parts: Parts, { env = {} }: DeploymentOptions): Promise<void> {
  const data = await copyDataDirectory();
  parts.closers.push(() => data.remove());
  parts.instances.push(new Instance('instance-0', data.dir, env));
}

async function addServers(
  parts: Parts,
  { hotState, instances, redis, env = {}, isBehindNginx = false, hasMail = false, main }: DeploymentOptions,
): Promise<void> {
  const postgres = await startPostgres();
  parts.postgres = postgres;
  parts.closers.push(() => postgres.stop());
  const databaseUrl = await postgres.createDatabase();
  parts.databaseUrl = databaseUrl;
  // AOF always, unless the scenario asks for another: what is acknowledged has to survive.
  const redisEnv = await addRedis(parts, hotState, { appendonly: 'always', ...redis });
  const mailEnv = hasMail ? await addMail(parts) : {};
  const secret = randomBytes(32).toString('hex');
  // Known before an instance starts, and again after each of its starts: so they stand in a balancer's configuration.
  const ports = isBehindNginx ? await freePorts(instances) : [];
  if (isBehindNginx) {
    const nginx = await startNginx(ports);
    parts.nginx = nginx;
    parts.closers.push(() => nginx.stop());
  }
  for (let index = 0; index < instances; index += 1) {
    const data = await emptyDataDirectory();
    parts.closers.push(() => data.remove());
    const databaseLink = await linkTo(parts, parts.databaseLinks, new URL(databaseUrl));
    const own: Environment = {
      JWT_SECRET: secret,
      DATABASE_SSL: 'false',
      DATABASE_URL: through(databaseUrl, databaseLink),
      ...(await redisEnv()),
      ...mailEnv,
      ...(isBehindNginx ? { PORT: String(ports[index]), TRUST_PROXY: '127.0.0.1/32' } : {}),
      ...env,
    };
    parts.instances.push(new Instance(`instance-${index}`, data.dir, own, main));
  }
}

/** Starts Redis, and gives what makes the environment of one instance. */
async function addRedis(
  parts: Parts,
  hotState: HotState,
  options: RedisServerOptions,
): Promise<() => Promise<Environment>> {
  if (hotState === 'sentinel') {
    const sentinels = await startSentinels(options);
    parts.sentinels = sentinels;
    parts.closers.push(() => sentinels.stop());
    const env = { REDIS_SENTINELS: addressesOf(sentinels.sentinels), REDIS_SENTINEL_NAME: sentinels.name };
    return () => Promise.resolve(env);
  }
  if (hotState === 'cluster') {
    const cluster = await startCluster(options);
    parts.cluster = cluster;
    parts.closers.push(() => cluster.stop());
    return () => Promise.resolve({ REDIS_CLUSTER_NODES: addressesOf(cluster.nodes) });
  }
  const redis = await startRedis(options);
  parts.redis = redis;
  parts.closers.push(() => redis.stop());
  return async () => ({ REDIS_URL: through(redis.url, await linkTo(parts, parts.redisLinks, new URL(redis.url))) });
}

/** What the instances need to send mails. */
async function addMail(parts: Parts): Promise<Environment> {
  const mail = await startMailServer();
  parts.mail = mail;
  parts.closers.push(() => mail.stop());
  const link = await startTcpProxy({ host: '127.0.0.1', port: mail.port });
  parts.mailLink = link;
  parts.closers.push(() => link.close());
  return { SMTP_URL: through(mail.url, link), MAIL_FROM: 'tandem@example.com' };
}

async function linkTo(parts: Parts, links: TcpProxy[], { hostname, port }: URL): Promise<TcpProxy> {
  const link = await startTcpProxy({ host: hostname, port: Number(port) });
  links.push(link);
  parts.closers.push(() => link.close());
  return link;
}

function through(address: string, { host, port }: TcpProxy): string {
  const url = new URL(address);
  url.hostname = host;
  url.port = String(port);
  return url.href;
}

function addressesOf(servers: readonly RedisServer[]): string {
  return servers.map(({ host, port }) => `${host}:${port}`).join(',');
}
