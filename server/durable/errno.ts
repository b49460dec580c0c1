/** Whether an error of the operating system has one of these codes. By shape: a test's realm has another `Error`. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}
