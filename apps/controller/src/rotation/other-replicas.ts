import type { Replica, Replicas } from '../replicas/types.ts';
import { refused } from './alone.ts';

/** How long another replica may take to take a key, milliseconds, and how often it is asked. */
const [answerMs, tries] = [3_000, 3];

/** Topic of the messages by which replicas let each other take the present signing key. */
const topic = 'signing-key';

/** The other replicas of a controller whose signing key is being replaced. */
export class OtherReplicas {
  readonly #replicas: Pick<Replicas, 'others' | 'ask' | 'handle' | 'onChange'>;

  /** `take`: takes the signing key that the database holds, and returns its fingerprint. */
  constructor(
    replicas: Pick<Replicas, 'others' | 'ask' | 'handle' | 'onChange'>,
    take: () => Promise<string>,
    failed: (error: unknown) => void,
  ) {
    this.#replicas = replicas;
    replicas.handle(topic, take);
    // A replica that came back may have missed the message.
    replicas.onChange(() => void take().catch(failed));
  }

  /** Throws unless every other replica that is alive has this signing key. */
  async require(fingerprint: string): Promise<void> {
    const without = await this.letTake(fingerprint);
    if (without.length === 0) return;
    const names = without.map(({ name, id }) => `${name} (${id})`).join(', ');
    throw refused(
      `these controllers of the same database do not answer, or have another signing key: ${names}. See "sally operator replicas", and run the command again when they answer or have ended`,
    );
  }

  /** Lets the others take the key of the database. Returns those that have not. One that has ended needs no key. */
  async letTake(fingerprint: string): Promise<readonly Replica[]> {
    const replicas = this.#replicas;
    let left = replicas.others();
    for (let count = 0; count < tries && left.length > 0; count++) {
      const answers = await Promise.all(left.map(({ id }) => replicas.ask(id, topic, null, answerMs)));
      const alive = new Set(replicas.others().map(({ id }) => id));
      left = left.filter(({ id }, at) => alive.has(id) && answers[at] !== fingerprint);
    }
    return left;
  }
}

/** Throws while another replica is alive: each reads the master key from a file of its own. */
export function requireNoOthers(replicas: Pick<Replicas, 'others'>): void {
  const names = replicas.others().map(({ name, id }) => `${name} (${id})`);
  if (names.length > 0)
    throw refused(
      `other controllers use the same database, and each reads the master key from a file of its own: ${names.join(', ')}. Stop all but this one, run the command again, and start them with the new key file`,
    );
}
