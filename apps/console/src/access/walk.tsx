import type { Explanation } from '@sallyport/contract';
import { Status } from '../kit/kit.tsx';
import { Conditions } from '../rules/trial.tsx';
import { PageLink } from '../shell/page-link.tsx';

type Step = Explanation['policies'][number];

const outcomes = {
  allowed: ['good', 'allows'],
  denied: ['bad', 'denies'],
  skipped: ['warn', 'skipped'],
  'no-match': ['off', 'does not match'],
} as const;

/** The policies in the order of evaluation. Those that do not match are folded. */
export function Walk({ policies }: { policies: readonly Step[] }) {
  return (
    <section className="card" aria-labelledby="walk">
      <header>
        <h2 id="walk">Policies, in order</h2>
      </header>
      <ol className="body stack">
        {foldsOf(policies).map((fold) =>
          fold.length === 1 && fold[0]?.outcome !== 'no-match' ? (
            fold.map((step) => <Considered key={step.id} step={step} />)
          ) : (
            <li key={fold[0]?.id}>
              <details>
                <summary className="muted">
                  {fold.length === 1 ? 'One policy does not match' : `${fold.length} policies do not match`}
                </summary>
                <ol className="stack">
                  {fold.map((step) => (
                    <Considered key={step.id} step={step} />
                  ))}
                </ol>
              </details>
            </li>
          ),
        )}
        {policies.length === 0 && <li className="muted">No policy was looked at.</li>}
      </ol>
    </section>
  );
}

/** Groups neighbours that do not match. Each other policy stands alone. */
function foldsOf(policies: readonly Step[]): Step[][] {
  const folds: Step[][] = [];
  for (const step of policies) {
    const last = folds.at(-1);
    if (step.outcome === 'no-match' && last?.[0]?.outcome === 'no-match') last.push(step);
    else folds.push([step]);
  }
  return folds;
}

function Considered({ step: { id, name, type, outcome, reason, conditions } }: { step: Step }) {
  const [meaning, word] = outcomes[outcome];
  return (
    <li className="stack tight">
      <span className="row">
        <Status meaning={meaning}>{word}</Status>
        <PageLink to={`/policies/${id}`}>{name}</PageLink>
        {type !== 'PRIVATE' && <span className="chip">{type.toLowerCase()}</span>}
      </span>
      <p className="muted">{`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`}</p>
      {conditions !== undefined && <Conditions conditions={conditions} />}
    </li>
  );
}
