import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { Empty, Skeleton, Status, Table } from '../kit/kit.tsx';
import { plural } from '../kit/text.ts';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** Admission rules: conditions about person, device, place and time that policies ask for. */
export function RulesPage() {
  const me = useSignedIn();
  const { data, error } = useRead<'listAdmissionRules'>('admission-rule', '/tenants/admission-rules');
  const policies = useRead<'listPolicies'>('policy', '/tenants/policies');
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const own = data.filter(({ type }) => type === 'CUSTOM');
  const uses = (id: string) => policies.data?.filter(({ rule }) => rule?.id === id).length ?? 0;
  return (
    <>
      <div className="head">
        <h1>Admission rules</h1>
        {mayWrite(me) && (
          <PageLink className="button primary" to="/rules/new">
            New rule
          </PageLink>
        )}
      </div>
      <p className="muted prose">
        A policy that allows can ask for a rule: a condition about the person, device, place or time. Without one it
        allows always.
      </p>
      <div className="card">
        {own.length === 0 ? (
          <Empty title="No rule yet">
            Write one to allow access only in office hours, from some countries, or for devices with encrypted disks.
          </Empty>
        ) : (
          <Table
            caption="Admission rules"
            rows={own}
            keyOf={({ id }) => id}
            columns={[
              {
                head: 'Name',
                cell: ({ id, name }) => (
                  <PageLink to={`/rules/${id}`} title={name}>
                    {name}
                  </PageLink>
                ),
              },
              {
                head: 'Status',
                cell: ({ id, problem }) =>
                  problem !== undefined ? (
                    <Status meaning="bad">Broken, never met</Status>
                  ) : uses(id) === 0 ? (
                    <Status meaning="off">Not used</Status>
                  ) : (
                    <Status meaning="good">In use</Status>
                  ),
              },
              { head: 'Rule', cell: ({ rule = '' }) => <code title={rule}>{rule}</code> },
              { head: 'Policies', end: true, cell: ({ id }) => plural(uses(id), 'policy', 'policies') },
            ]}
          />
        )}
      </div>
    </>
  );
}
