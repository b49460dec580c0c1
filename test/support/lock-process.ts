/** Takes the lock of a data directory as soon as it is told to, says how that went, and holds it until it is told again. */
import { createInterface } from 'node:readline';
import { DataDirectoryInUseError, lockDataDirectory } from '../../server/durable/data-directory-lock.ts';

const [, , dataDir = ''] = process.argv;
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
console.log('ready');
await lines.next();
try {
  const lock = await lockDataDirectory(dataDir, {
    scratchDirectory: '/tmp/of-the-lock-process',
    onLost: () => console.log('lost'),
  });
  console.log('locked');
  await lines.next();
  await lock.release();
} catch (error) {
  if (!(error instanceof DataDirectoryInUseError)) throw error;
  console.log(`refused: ${error.message}`);
}
process.stdin.destroy();
