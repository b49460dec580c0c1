/**
 * Which room may import which (docs/architecture.md). Each rule is one sentence of that page.
 * @type {import('dependency-cruiser').IConfiguration}
 */
const test = '\\.(test|conformance)\\.ts$';

/** Forbid imports from one place to others; tests and conformance suites are exempt. */
function never(name, from, to, comment) {
  return { name, severity: 'error', comment, from: { path: from, pathNot: test }, to: { path: to } };
}

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    never(
      'protocol-stands-alone',
      '^protocol/',
      '^(server|client|web|examples|test|bench|scripts|node_modules)/',
      'the wire depends on nothing',
    ),
    never(
      'rules-are-pure',
      '^server/sessions/session\\.ts$',
      '^(server/(?!sessions/)|node_modules)',
      'the rules of a session know no clock, store or logger',
    ),
    {
      name: 'pure-rooms-need-no-node',
      severity: 'error',
      comment: 'the wire runs in browsers too, and the rules of a session know no clock, random source or file',
      from: { path: '^(protocol/|server/sessions/session\\.ts$)', pathNot: test },
      to: { dependencyTypes: ['core'] },
    },
    never(
      'only-main-imports-server',
      '^(protocol|web|server)/(?!main\\.ts$)',
      '^server/(main|.*-main|server)\\.ts$',
      'main imports server, server imports every room, nobody imports them',
    ),
    never(
      'doctor-stands-apart',
      '^server/(?!doctor/|doctor-main\\.ts$)',
      '^server/doctor/',
      'it looks at rooms, and no room asks it',
    ),
    never(
      'traces-are-lazy',
      '^server/(?!observability/trace-export\\.ts$)',
      '^node_modules/@opentelemetry/',
      'what is switched off is not loaded: one file knows the library, and it is imported when it is needed',
    ),
    never(
      'sessions-know-no-edge',
      '^server/sessions/',
      '^(server/(realtime|http|auth|jobs|limits|state|durable|config)(/|\\.ts$)|node_modules/(express|socket\\.io|engine\\.io|pg|redis)/)',
      'the domain is called, it does not call',
    ),
    never(
      'realtime-not-http',
      '^server/realtime/',
      '^server/(http|jobs|state|durable|config)(/|\\.ts$)',
      'edges meet in sessions, auth and limits',
    ),
    never(
      'http-not-realtime',
      '^server/http/',
      '^server/(realtime|jobs|state|durable|config)(/|\\.ts$)',
      'edges meet in sessions, auth and limits',
    ),
    never(
      'jobs-only-sessions',
      '^server/jobs/',
      '^server/(realtime|http|auth|limits|state|durable|config)(/|\\.ts$)',
      'a loop acts through the domain',
    ),
    never(
      'limits-only-protocol',
      '^server/limits/',
      '^server/(realtime|http|auth|jobs|sessions|state|durable|config)(/|\\.ts$)',
      'a limit knows numbers, not sessions',
    ),
    never(
      'state-implements-ports',
      '^server/state/',
      '^server/(realtime|http|jobs|durable|config)(/|\\.ts$)',
      'state and durable meet in server.ts',
    ),
    never(
      'durable-implements-ports',
      '^server/durable/',
      '^server/(realtime|http|jobs|limits|state|config)(/|\\.ts$)',
      'state and durable meet in server.ts, and what lasts counts no limits',
    ),
    never(
      'stores-know-ports-and-rules',
      '^server/(state|durable)/',
      '^server/sessions/(?!(ports|session|deadlines|fingerprint|message-text)\\.ts$)',
      'a store runs the rules and implements the ports; it never calls a service',
    ),
    never(
      'cache-knows-no-room',
      '^server/cache/',
      '^server/(?!cache/|observability/)',
      'it keeps what others load, and is asked by all of them',
    ),
    never(
      'mail-knows-no-edge',
      '^server/mail/',
      '^server/(?!mail/|limits/|sessions/|observability/|auth/email-address\\.ts$)',
      'a mail is written and sent for whoever asks; which addresses there are is the business of accounts',
    ),
    never(
      'nodemailer-only-in-mail',
      '^(protocol|web|server/(?!mail/))',
      '^node_modules/nodemailer/',
      'one room talks SMTP',
    ),
    never(
      'auth-only-protocol',
      '^server/auth/',
      '^server/(realtime|http|jobs|sessions|limits|state|durable|config)(/|\\.ts$)',
      'a token knows neither edge nor store',
    ),
    never(
      'observability-looks-at-no-room',
      '^server/observability/',
      '^server/(?!observability/|limits/client-ip\\.ts$)',
      'everybody logs, so the logger knows nobody; an address is cut the way limits count it',
    ),
    never(
      'config-knows-no-room',
      '^server/config(/|\\.ts$)',
      '^server/(?!config(/|\\.ts$)|limits/)',
      'the configuration is handed to rooms, and asks none',
    ),
    {
      name: 'config-takes-types-of-limits',
      severity: 'error',
      comment: 'the shape of a limit is the business of limits; its arithmetic is none of the configuration',
      from: { path: '^server/config(/|\\.ts$)', pathNot: test },
      to: { path: '^server/limits/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'client-knows-the-wire-alone',
      severity: 'error',
      comment: 'the library runs in browsers and Node.js alike, so it needs nothing of either, nor of another room',
      from: { path: '^client/', pathNot: test },
      to: { pathNot: '^(client|protocol|node_modules/socket\\.io-client)/' },
    },
    never(
      'server-knows-no-client',
      '^server/',
      '^(client|web|examples)/',
      'the server serves what the build made of them, and reads none of it',
    ),
    never(
      'web-is-a-client',
      '^web/',
      '^(server|examples|test|bench|scripts)/|^node_modules/(socket\\.io|engine\\.io|engine\\.io-client|express|pg|winston|zod)/',
      'the page knows the wire, and the client library',
    ),
    never(
      'web-takes-the-client-whole',
      '^web/',
      '^client/(?!(index|account)\\.ts$)',
      'the page has what every application has: what the library exports',
    ),
    {
      name: 'web-needs-no-node',
      severity: 'error',
      comment: 'the page runs in browsers',
      from: { path: '^web/', pathNot: test },
      to: { dependencyTypes: ['core'] },
    },
    never(
      'socket.io-client-only-in-client',
      '^(protocol|server|web/(?!console/))',
      '^node_modules/socket\\.io-client/',
      'one room speaks to a server, but for the console: its namespace is not the business of the library',
    ),
    never(
      'uplot-only-in-console',
      '^(protocol|server|client|web/(?!console/))',
      '^node_modules/uplot/',
      'one page draws lines, and no other loads what draws them',
    ),
    {
      name: 'examples-stand-alone',
      severity: 'error',
      comment: 'an example is what an application writes: its own files, and the library as a server serves it',
      from: { path: '^examples/', pathNot: '\\.d\\.ts$' },
      to: { pathNot: '^examples/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'examples-know-the-library-by-its-types',
      severity: 'error',
      comment: 'the types of what a server serves are those that the library exports',
      from: { path: '^examples/.*\\.d\\.ts$' },
      to: { pathNot: '^client/index\\.ts$' },
    },
    {
      name: 'pages-of-examples-need-no-node',
      severity: 'error',
      comment: 'only what starts an example is a program of Node.js',
      from: { path: '^examples/[^/]+/' },
      to: { dependencyTypes: ['core'] },
    },
    never(
      'pg-only-in-durable',
      '^(protocol|web|server/(?!durable/))',
      '^node_modules/(pg|@electric-sql|@supabase)/',
      'one room talks SQL',
    ),
    never(
      'redis-only-in-state',
      '^(protocol|web|server/(?!state/redis/))',
      '^node_modules/(redis|@redis|@socket\\.io/redis-adapter)/',
      'one room talks to Redis',
    ),
    never(
      'express-only-in-http',
      '^(protocol|web|server/(?!http/))',
      '^node_modules/(express|helmet)/',
      'one room talks HTTP',
    ),
    never(
      'socket.io-only-in-realtime',
      '^(protocol|server/(?!realtime/))',
      '^node_modules/(socket\\.io|engine\\.io)/',
      'one room talks Socket.IO',
    ),
    never(
      'product-never-imports-tests',
      '^(protocol|server|client|web)/',
      '^(test|bench|scripts)/|' + test,
      'tests import the product',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/.*/node_modules)' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.d.ts', '.json'],
    },
  },
};
