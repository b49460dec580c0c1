export interface Attempt {
  readonly email: string;
  readonly password: string;
  readonly expected: 'right' | 'wrong';
}

export interface Account {
  readonly email: string;
  readonly password: string;
}

/**
 * Without end: every other one is right, the rest are half a wrong password and half an address without
 * an account. A wrong one at an account is followed by a right one there: so none has the three failures after which it is
 * answered later, and every attempt costs a check of a password at once, which is the worst of cases.
 */
export function* loginAttempts(accounts: readonly Account[]): Generator<Attempt, void> {
  for (let number = 0; ; number += 1) yield attemptOf(number, accounts);
}

function attemptOf(number: number, accounts: readonly Account[]): Attempt {
  const account = accounts[Math.floor(number / 4) % accounts.length];
  if (account === undefined) throw new RangeError('There is an account');
  switch (number % 4) {
    case 1:
      return { email: account.email, password: `not ${account.password}`, expected: 'wrong' };
    case 3:
      return { email: `nobody-${number}@example.org`, password: account.password, expected: 'wrong' };
    default:
      return { ...account, expected: 'right' };
  }
}
