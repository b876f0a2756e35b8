import { Ago, Status } from '../kit/kit.tsx';
import { PageLink } from '../shell/page-link.tsx';
import type { Attention } from './attention.ts';

/** Entries that are shown; the lists have the others. */
const mostShown = 20;

/** What needs a person: each with the reason, since when, and one thing to do. */
export function Inbox({ items, total }: { items: readonly Attention[]; total: number }) {
  return (
    <section className="card" aria-labelledby="inbox">
      <header>
        <h2 id="inbox">Needs attention</h2>
      </header>
      <ul className="inbox">
        {items.slice(0, mostShown).map(({ key, meaning, to, search = {}, object, what, why, since, action }) => (
          <li key={key}>
            <div className="inbox-text">
              <Status meaning={meaning}>
                <span className="visually-hidden">{meaning === 'bad' ? 'Error: ' : 'Warning: '}</span>
                <strong title={object}>{object}</strong>
              </Status>
              <p>
                {what}
                {since !== undefined && (
                  <span className="muted">
                    , last online <Ago at={since} />
                  </span>
                )}
              </p>
              <p className="muted">{why}</p>
            </div>
            <PageLink className="button" to={to} search={search}>
              {action}
              <span className="visually-hidden"> of {object}</span>
            </PageLink>
          </li>
        ))}
        {total > mostShown && (
          <li>
            <PageLink to="/gateways" search={{ status: 'ERROR,OFFLINE' }}>
              and {(total - mostShown).toLocaleString('en')} more
            </PageLink>
          </li>
        )}
      </ul>
    </section>
  );
}
