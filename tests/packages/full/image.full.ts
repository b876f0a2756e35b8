import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { processors } from '@sallyport/release';
import { Cleanup, exec, Namespace, uniqueTag } from '@sallyport/testkit';
import { memoryFolder, signedBuild } from './fixtures.ts';
import { Running } from './host.ts';

test('the controller starts from the image as its user, and the image holds no shell', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const build = await signedBuild();
  const folder = await memoryFolder('1g', cleanup);
  const [layout, system] = [join(folder, 'layout'), join(folder, 'system')];
  await exec('mkdir', [layout, system]);
  await exec('tar', [
    '-xf',
    join(build, `sallyport-${version}-linux-${processors[process.arch]}.oci.tar`),
    '-C',
    layout,
  ]);
  const blob = ({ digest }: { digest: string }) => join(layout, 'blobs', digest.replace(':', '/'));
  const json = (file: string) => JSON.parse(readFileSync(file, 'utf8'));
  const manifest = json(blob(json(join(layout, 'index.json')).manifests[0]));
  for (const layer of manifest.layers) await exec('tar', ['-xzpf', blob(layer), '-C', system]);
  const { User, Env, Entrypoint } = json(blob(manifest.config)).config;
  assert.equal((await exec('find', [system, '-name', 'sh', '-o', '-name', 'bash'])).trim(), '');

  const namespace = await Namespace.create(`sp-image-${uniqueTag()}`, cleanup);
  const env = Object.fromEntries(Env.map((line: string) => line.split(/=(.*)/s).slice(0, 2)));
  // With the environment of the image, which names no folder of this machine.
  const inside = ['netns', 'exec', namespace.name, '/usr/sbin/chroot', `--userspec=${User}`, system, ...Entrypoint];
  const controller = new Running(
    spawn('/sbin/ip', inside, { env: { ...env, HOME: '/' }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  cleanup.add(() => controller.end('SIGKILL'));
  await controller.says(/Sallyport is ready/);
});
