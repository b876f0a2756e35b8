import type { DryRun } from '@sallyport/contract';
import { useState } from 'react';
import { Field, Status } from './kit.tsx';
import { plural } from './text.ts';

type Pair = DryRun['pairs'][number];
type Change = Pair['change'];

/** How many pairs the list shows at once. The search finds the others. */
const shownAtOnce = 50;

/** Three figures, and who gains and loses what. */
export function Effects({ plan }: { plan: DryRun }) {
  const { gained, lost, unchanged, pairs } = plan;
  const [search, setSearch] = useState('');
  if (gained === 0 && lost === 0) return <p>No device gains or loses access by this.</p>;
  const found = pairs.filter((pair) => textOf(pair).includes(search.trim().toLowerCase()));
  return (
    <>
      <dl className="figures">
        <Figure count={gained} what="gain" />
        <Figure count={lost} what="lose" />
        <Figure count={unchanged} what="unchanged" />
      </dl>
      <p className="muted small">Each figure counts pairs of a device and a resource.</p>
      {pairs.length > 8 && (
        <Field
          label="Search people, devices and resources"
          type="search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long list scrolls, and the keyboard must reach that */}
      <ul className="pairs small" tabIndex={0} aria-label="Who gains and loses access">
        {found.slice(0, shownAtOnce).map((pair) => (
          <li key={`${pair.change} ${pair.device.id} ${pair.resource.id}`}>
            <Status meaning={pair.change === 'lost' ? 'bad' : 'good'}>
              {pair.change === 'lost' ? 'loses' : 'gains'}
            </Status>
            <span>
              <strong>{pair.resource.name}</strong>
              <span className="muted"> on </span>
              {pair.device.name}
              {pair.user !== undefined && <span className="muted"> of {pair.user.email ?? pair.user.id}</span>}
            </span>
          </li>
        ))}
        {found.length === 0 && <li className="muted">None of them fits the search.</li>}
        {found.length > shownAtOnce && <li className="muted">and {plural(found.length - shownAtOnce, 'more pair')}</li>}
      </ul>
      {gained + lost > pairs.length && (
        <p className="muted small">
          The list has the first {pairs.length.toLocaleString('en')} of {plural(gained + lost, 'pair')}.
        </p>
      )}
    </>
  );
}

function Figure({ count, what }: { count: number; what: string }) {
  return (
    <div className="figure">
      <dd>{count.toLocaleString('en')}</dd>
      <dt>{what}</dt>
    </div>
  );
}

const textOf = ({ device, user, resource }: Pair): string =>
  [device.name, user?.email ?? '', resource.name].join(' ').toLowerCase();

/** Returns what a plan does, for its button: `3 people lose Wiki`. Empty: nothing. */
export function effectText(plan: DryRun): string {
  return [sideText(plan, 'lost'), sideText(plan, 'gained')].filter(Boolean).join(', ');
}

function sideText(plan: DryRun, change: Change): string {
  const count = plan[change];
  if (count === 0) return '';
  const pairs = plan.pairs.filter((pair) => pair.change === change);
  if (pairs.length < count) return `${plural(count, 'pair')} ${verbOf(change, count)} access`;
  const people = new Set(pairs.flatMap(({ user }) => user?.id ?? []));
  const devices = new Set(pairs.filter(({ user }) => user === undefined).map(({ device }) => device.id));
  const resources = new Map(pairs.map(({ resource }) => [resource.id, resource.name]));
  const who = [
    ...(people.size === 0 ? [] : [plural(people.size, 'person', 'people')]),
    ...(devices.size === 0 ? [] : [plural(devices.size, 'device')]),
  ].join(' and ');
  const what = resources.size === 1 ? [...resources.values()][0] : plural(resources.size, 'resource');
  return `${who} ${verbOf(change, people.size + devices.size)} ${what}`;
}

const verbOf = (change: Change, count: number): string => {
  const verb = change === 'lost' ? 'lose' : 'gain';
  return count === 1 ? `${verb}s` : verb;
};
