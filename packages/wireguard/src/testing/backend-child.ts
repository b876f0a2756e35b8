import { type BackendChoice, type DetectOptions, detectBackend } from '../backends/detect.ts';
import { kernelBackend } from '../backends/kernel.ts';
import { type UserspaceOptions, userspaceBackend } from '../backends/userspace.ts';
import { WireGuardError } from '../errors.ts';
import type { DeviceChange, WireGuardBackend } from '../types.ts';
import type { RemoteAnswer, RemoteRequest } from './remote-backend.ts';

const backend = makeBackend(process.argv[2] ?? '', JSON.parse(process.argv[3] ?? '{}'));

process.on('message', (message) => {
  const request = message as RemoteRequest;
  perform(request).then(
    (value) => answer({ id: request.id, value }),
    (error: unknown) => answer({ id: request.id, error: describe(error) }),
  );
});
process.on('disconnect', () => process.exit());

/** `wg-on-userspace`: a backend that uses the tools of the kernel backend on links of wireguard-go. */
function makeBackend(kind: string, options: UserspaceOptions): WireGuardBackend {
  const userspace = userspaceBackend({ supervisor: 'detached', ...options });
  if (kind === 'userspace') return userspace;
  const kernel = kernelBackend();
  return kind === 'kernel' ? kernel : { ...kernel, ensure: userspace.ensure, remove: userspace.remove };
}

async function perform({ method, args }: RemoteRequest): Promise<unknown> {
  if (method === 'detect') return detectBackend(args[0] as BackendChoice, args[1] as DetectOptions);
  const name = args[0] as string;
  if (method === 'apply') return backend.apply(name, args[1] as DeviceChange);
  return backend[method](name);
}

function describe(error: unknown): { code: WireGuardError['code'] | null; message: string } {
  if (error instanceof WireGuardError) return { code: error.code, message: error.message };
  return { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function answer(message: RemoteAnswer): void {
  process.send?.(message);
}
