import type { ApiKey } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Form, useForm } from '../kit/form.tsx';
import { Ago, Button, Choice, Dialog, Field, Secret, Skeleton, Table, toast } from '../kit/kit.tsx';

/** Keys of programs that use the API. */
export function ApiKeys() {
  const { data } = useRead<'listApiKeys'>('api-key', '/tenants/api-keys');
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<ApiKey | null>(null);
  return (
    <section className="card" aria-labelledby="keys">
      <header className="row between">
        <h2 id="keys">API keys</h2>
        <Button onClick={() => setCreating(true)}>New key</Button>
      </header>
      {data === undefined ? (
        <div className="body">
          <Skeleton lines={3} />
        </div>
      ) : (
        <Table
          caption="API keys"
          rows={data}
          keyOf={({ id }) => id}
          columns={[
            { head: 'Name', cell: ({ name }) => <span title={name}>{name}</span> },
            { head: 'Begins with', cell: ({ prefix }) => <code>{prefix}</code> },
            { head: 'Role', cell: ({ role }) => role.toLowerCase() },
            {
              head: 'Ends',
              end: true,
              cell: ({ expiresAt }) => (expiresAt === undefined ? 'never' : <Ago at={expiresAt} />),
            },
            { head: 'Last used', end: true, cell: ({ lastUsedAt }) => <Ago at={lastUsedAt} /> },
            {
              head: 'Actions',
              end: true,
              cell: (key: ApiKey) => (
                <Button look="plain" onClick={() => setDeleting(key)}>
                  Delete<span className="visually-hidden"> {key.name}</span>
                </Button>
              ),
            },
          ]}
        />
      )}
      <Dialog title="New API key" open={creating} onClose={() => setCreating(false)}>
        <NewKey onClose={() => setCreating(false)} />
      </Dialog>
      <Remove apiKey={deleting} onClose={() => setDeleting(null)} />
    </section>
  );
}

function Remove({ apiKey, onClose }: { apiKey: ApiKey | null; onClose: () => void }) {
  const remove = async ({ id, name }: ApiKey) => {
    try {
      await call<'deleteApiKey'>('DELETE', `/tenants/api-keys/${id}`);
      await queryClient.invalidateQueries({ queryKey: ['api-key'] });
      toast(`Deleted the key ${name}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
    onClose();
  };
  return (
    <Dialog title={`Delete the key ${apiKey?.name ?? ''}`} open={apiKey !== null} onClose={onClose}>
      <p>Programs that use it are refused at once. A deleted key cannot come back.</p>
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger solid" onClick={() => apiKey !== null && void remove(apiKey)}>
          Delete key
        </Button>
      </footer>
    </Dialog>
  );
}

const labels = { name: 'Name', role: 'Role', expires: 'Ends' };

interface Values {
  readonly name: string;
  readonly role: 'OWNER' | 'ADMIN' | 'AUDITOR';
  /** Days from now; empty: never. */
  readonly expires: string;
}

function NewKey({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<ApiKey | null>(null);
  const form = useForm<Values>(labels, { name: '', role: 'ADMIN', expires: '' }, null, { expiresAt: 'expires' });
  if (made !== null)
    return (
      <>
        <Secret text={made.key ?? ''} about={`API key “${made.name}”.`} file={`${made.name}.key`} />
        <footer className="row">
          <Button look="primary" onClick={onClose}>
            Close
          </Button>
        </footer>
      </>
    );
  return (
    <Form
      form={form}
      verb="Create key"
      write={({ name, role, expires }) => ({
        title: 'New API key',
        // A key reaches the API, and no resource.
        direct: true,
        method: 'POST',
        path: '/tenants/api-keys',
        body: {
          name,
          role,
          ...(expires === '' ? {} : { expiresAt: new Date(Date.now() + Number(expires) * 86_400_000).toISOString() }),
        },
        verb: 'Create key',
        done: `Created the key ${name}.`,
      })}
      onDone={(answer) => setMade(answer as ApiKey)}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      <Choice label={labels.role} {...form.field('role')}>
        <option value="ADMIN">Admin: manages the tenant</option>
        <option value="OWNER">Owner: may do everything</option>
        <option value="AUDITOR">Auditor: reads</option>
      </Choice>
      <Choice label={labels.expires} {...form.field('expires')}>
        <option value="">Never</option>
        <option value="1">In one day</option>
        <option value="30">In 30 days</option>
        <option value="90">In 90 days</option>
        <option value="365">In one year</option>
      </Choice>
    </Form>
  );
}
