import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Timers } from '../channel/timers.ts';
import { asOnlyRunner } from '../db/jobs.ts';
import type { Store } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { Outbox } from '../objects/mail/outbox.ts';
import { answerForgotten } from '../objects/sign-in/forgotten.ts';
import type { Replicas } from '../replicas/types.ts';
import type { SecretBox } from '../secrets/box.ts';
import { asMailFailure } from './mail-server.ts';
import { Postman } from './postman.ts';
import type { Mail, MailService } from './types.ts';

/** What the mail of the controller is built from. */
export interface MailDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly log: FastifyBaseLogger;
  readonly timers: Timers;
  readonly replicas: Pick<Replicas, 'tell' | 'handle'>;
  readonly signInUrl: () => string;
  /** Null: the controller sends no mail. */
  readonly service: MailService | null;
}

/** How often the outbox is looked into although nothing was written: mails that wait for another try. */
const pollMs = 5000;

/** Builds the mail of the controller. Where it sends none, nothing is written and no timer runs. */
export function createMail(deps: MailDeps): Mail {
  const outbox = new Outbox(deps.box, deps.service !== null);
  if (deps.service === null) return { ...silent, outbox };
  const { store, log, service } = deps;
  const domain = service.from.slice(service.from.lastIndexOf('@') + 1);
  const problem = new SharedProblem(deps.replicas);
  const postman = new Postman({
    ...deps,
    outbox,
    server: service.server,
    domain,
    problemChanged: (text) => problem.set(text),
    failed: (failure) => log.warn(failure.facts, 'a mail was not sent'),
  });
  const rounds = new Rounds(deps.timers, async () => {
    // While another replica sends, this one looks again later.
    await asOnlyRunner(store, 'mail', async (still) => {
      await answerForgotten({ ...deps, outbox });
      await postman.deliverDue(still);
    });
  });
  store.onCommit(() => {
    if (outbox.takePosted()) rounds.soon();
  });
  rounds.soon();
  return {
    outbox,
    from: service.from,
    problem: () => problem.text,
    sendNow: async (to, letter) => {
      const messageId = `<${randomUUID()}@${domain}>`;
      await service.server.send({ ...letter, to, messageId }).catch((error: unknown) => {
        const failure = asMailFailure(error);
        log.warn(failure.facts, 'a test mail was not sent');
        throw new ApiError('mail_failed', failure.message);
      });
    },
    deliver: () => rounds.run(),
    wake: () => rounds.soon(),
    stop: async () => {
      postman.stop();
      await rounds.stop();
    },
  };
}

/**
 * Why the mail server could not be used the last time; null when it could. The replica that sends tells the others, which
 * answer people as well.
 */
class SharedProblem {
  readonly #replicas: MailDeps['replicas'];
  text: string | null = null;

  constructor(replicas: MailDeps['replicas']) {
    this.#replicas = replicas;
    replicas.handle(problemTopic, (body) => {
      this.text = typeof body === 'string' ? body : null;
    });
  }

  set(text: string | null): void {
    if (text === this.text) return;
    this.text = text;
    this.#replicas.tell('others', problemTopic, text);
  }
}

const problemTopic = 'mail-problem';

const silent: Omit<Mail, 'outbox'> = {
  from: null,
  problem: () => null,
  sendNow: () => Promise.reject(new ApiError('mail_off')),
  deliver: async () => undefined,
  wake: () => undefined,
  stop: async () => undefined,
};

/** Runs work in rounds: one at a time, once more when it is asked for during a round, and again after a while. */
class Rounds {
  readonly #timers: Timers;
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #cancel: () => void = () => undefined;

  constructor(timers: Timers, work: () => Promise<void>) {
    this.#timers = timers;
    this.#work = work;
  }

  soon(): void {
    if (!this.#stopped) this.#timers.soon(() => this.run());
  }

  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#rounds().finally(() => {
      this.#running = null;
      this.#cancel();
      if (!this.#stopped) this.#cancel = this.#timers.after(pollMs, () => this.run());
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running?.catch(() => undefined);
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#work();
    }
  }
}
