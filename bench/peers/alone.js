/** Socket.IO alone: one process, nothing shared. */
import { startRelay } from './relay.js';

startRelay({});
