import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node.js';
import { RuntimeServer, type RuntimeWork } from './server.js';

/** Serves over this process's own pipes until nobody needs it any more, then ends the process. */
export function serveOverPipes(work: RuntimeWork): RuntimeServer {
  // stdout belongs to the protocol: a stray print would break a message.
  console.log = console.error;
  console.info = console.error;
  console.debug = console.error;
  // The window that started us may be gone: writing to it must not end a job that goes on without it.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const server = new RuntimeServer(work, () => process.exit(0));
  const end = (): void => void server.close().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  server.accept(
    createMessageConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout)),
  );
  return server;
}
