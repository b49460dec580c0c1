import type { Locator } from 'playwright-core';
import type { Visitor } from './page-stage.ts';

export const ADMIN_TOKEN = 'admin-token-of-these-tests';

/** Opens the operator's console with its token, at the place that the fragment names. */
export async function openConsole(operator: Visitor, url: string, fragment = ''): Promise<void> {
  await operator.page.goto(`${url}/console${fragment}`);
  await typeToken(operator, ADMIN_TOKEN);
  await operator.page.getByRole('navigation', { name: 'Console' }).waitFor();
}

export async function typeToken(operator: Visitor, token: string): Promise<void> {
  await operator.page.getByLabel('Admin token').fill(token);
  await operator.page.keyboard.press('Enter');
}

/** What one of the large figures of the overview says. */
export function tile(operator: Visitor, name: string): Locator {
  return operator.page.locator('.tile').filter({ hasText: name }).locator('dd');
}

/** The row of a table that holds this text. */
export function row(operator: Visitor, table: string, text: string | RegExp): Locator {
  return operator.page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text });
}

/** The lines of the timeline of the session that is open, the newest first. */
export function timeline(operator: Visitor): Locator {
  return operator.page.getByRole('list', { name: 'Timeline' }).getByRole('listitem');
}
