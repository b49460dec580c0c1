import { expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import type { LogFields } from '../../observability/log-fields.ts';
import type { Logger } from '../../observability/logger.ts';
import { SlidingWindow } from '../../limits/sliding-window.ts';
import { createConsoleCommands, type ConsoleCommandOptions } from './commands.ts';
import { ConsoleDispatch } from './dispatch.ts';
import type { Operator } from './operator.ts';

const USER = 'user-of-an-issuer';
const LOGIN = '0190a7b6-0000-7000-8000-000000000001';

function stage(endLoginOf: () => Promise<boolean>) {
  const lines: LogFields[] = [];
  const services = { signOut: { endLoginOf, endUser: () => Promise.resolve() } };
  const logger = { warn: (_event: string, fields: LogFields) => lines.push(fields), error: () => undefined };
  // Of services and logger only what signs out.
  const handlers = createConsoleCommands(services as unknown as ConsoleCommandOptions);
  const dispatch = new ConsoleDispatch({ handlers, logger: logger as unknown as Logger, now: () => 0 });
  const operator = {
    ...{ socket: { id: 'connection' }, address: '192.0.2.1', inFlight: 0, isClosing: false },
    ...{ commands: new SlidingWindow(), refusals: new SlidingWindow(), badPackets: new SlidingWindow() },
  };
  const signOut = (payload: object) =>
    new Promise((answered) =>
      // As above: the socket is named in a line, and not written to.
      dispatch.take(operator as unknown as Operator, ['console:sign_out', payload, answered]),
    );
  return { lines, signOut };
}

const LINE = { connectionId: 'connection', ip: '192.0.2.1', command: 'console:sign_out', reason: 'operator' };

it('what an operator did is a line of the log when its outcome is known, with what it was done to', async () => {
  let end: (isEnded: boolean) => void = () => undefined;
  const { lines, signOut } = stage(() => new Promise((resolve) => (end = resolve)));
  const answer = signOut({ userId: USER, loginId: LOGIN });
  expect(lines).toEqual([]);
  end(true);
  expect(await answer).toEqual({ ok: true });
  await signOut({ userId: USER });
  expect(lines).toEqual([
    { ...LINE, target: USER, loginId: LOGIN, outcome: 'ok' },
    { ...LINE, target: USER, outcome: 'ok' },
  ]);
});

it.each([
  [new TandemError('UNAVAILABLE', 'The database is away.'), 'UNAVAILABLE'],
  [new TypeError('a fault of ours'), 'INTERNAL'],
  [null, 'INVALID_PAYLOAD'],
])('what came to nothing says so: %s', async (failure, outcome) => {
  const { lines, signOut } = stage(() => (failure === null ? Promise.resolve(false) : Promise.reject(failure)));
  expect(await signOut({ userId: USER, loginId: LOGIN })).toMatchObject({ ok: false, error: { code: outcome } });
  expect(lines).toEqual([{ ...LINE, target: USER, loginId: LOGIN, outcome }]);
});
