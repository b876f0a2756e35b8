import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

/** Starts the development server of the console. Returns the address of the page with all parts. */
export async function openKit(t: Pick<TestContext, 'after'>): Promise<string> {
  const server = await createServer({
    root: fileURLToPath(new URL('../../apps/console', import.meta.url)),
    logLevel: 'error',
    server: { host: '127.0.0.1', port: 0, watch: null, hmr: false },
  });
  t.after(() => server.close());
  await server.listen();
  const address = server.httpServer?.address();
  if (address === null || typeof address !== 'object') throw new Error('the development server has no address');
  return `http://127.0.0.1:${address.port}/console-kit`;
}
