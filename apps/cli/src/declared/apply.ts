import type { Client } from '../client.ts';
import { Failure } from '../failure.ts';
import { withCaret } from '../rule-text.ts';
import { clean } from '../text.ts';
import type { Step } from './steps.ts';

/**
 * Carries out the steps in order and reports each one. The first failure stops it; earlier steps stay, and the failure
 * names them.
 */
export async function applySteps(api: Client, steps: readonly Step[], tell: (step: Step) => void): Promise<void> {
  const ids = new Map<string, string>();
  for (const [done, step] of steps.entries()) {
    try {
      await step.carryOut(api, ids);
    } catch (error) {
      throw error instanceof Failure ? stopped(pointing(error, step), step, done, steps.length) : error;
    }
    tell(step);
  }
}

/** Shows where a rule's text is wrong. */
function pointing(failure: Failure, { changes }: Step): Failure {
  const rule = changes.find(({ field }) => field === 'rule')?.after;
  return typeof rule === 'string' ? withCaret(failure, rule) : failure;
}

function stopped(failure: Failure, step: Step, done: number, all: number): Failure {
  const { kind, name, action } = step;
  const text = `Stopped at step ${done + 1} of ${all}: ${action} ${kind} ${clean(name)}\n${failure.message}\n${said(done)}`;
  const hint = failure.hint ?? 'Fix the cause and run the command again: it continues from here.';
  const { problemText } = failure;
  return new Failure(failure.exitCode, text, {
    hint,
    ...(problemText === undefined ? {} : { problemText }),
  });
}

const said = (done: number): string =>
  done === 0
    ? 'No earlier step was carried out.'
    : `${done} ${done === 1 ? 'step was' : 'steps were'} carried out earlier and stay.`;
