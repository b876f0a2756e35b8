import { type Cleanup, Daemon, type Namespace, until } from '@sallyport/testkit';
import type { ControllerApi } from './controller-api.ts';

const program = `
const [url, key, last] = process.argv.slice(1);
const headers = { apikey: key, ...(last !== '' && { 'last-event-id': last }) };
const answer = await fetch(url + '/tenants/changes', { headers });
if (!answer.ok) throw new Error(answer.status + ' ' + (await answer.text()));
console.log('open');
for await (const piece of answer.body) process.stdout.write(piece);
`;

/** A reader of the stream of changes, in a namespace. */
export class ChangesFollower {
  readonly #daemon: Daemon;

  private constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  /** Resolves when the stream is open. `last`: the revision after which it goes on; null: from now on. */
  static async open(
    cleanup: Cleanup,
    namespace: Namespace,
    { url, apiKey }: Pick<ControllerApi, 'url' | 'apiKey'>,
    last: number | null,
  ): Promise<ChangesFollower> {
    const args = ['--input-type=module', '-e', program, url, apiKey, last === null ? '' : String(last)];
    const follower = new ChangesFollower(Daemon.start(args, { cleanup, namespace }));
    await follower.#daemon.says(/^open$/m);
    return follower;
  }

  /** Revisions of the changes that came, once this one is among them or passed. */
  until(revision: number): Promise<number[]> {
    return until(`the change of revision ${revision}`, () => {
      const revisions = [...this.#daemon.output.matchAll(/^data: (.*)\n\n/gm)].map(([, data = '']) => {
        const { revision: own } = JSON.parse(data) as { revision: number };
        return own;
      });
      return (revisions.at(-1) ?? 0) >= revision ? revisions : null;
    });
  }
}
