import { type CSSProperties, type ReactNode, useState } from 'react';
import { Conflict } from '../kit/conflict.tsx';
import {
  Ago,
  Button,
  Choice,
  Copy,
  Dialog,
  Discard,
  Empty,
  Field,
  type Meaning,
  Secret,
  Skeleton,
  Status,
  Table,
  toast,
} from '../kit/kit.tsx';
import { Picker, Segments } from '../kit/picker.tsx';
import { Effects, effectText } from '../kit/plan-effects.tsx';
import { RuleEditor } from '../rules/editor.tsx';
import { icons } from '../shell/icons.tsx';

/** Every part that pages are made of, in light and dark. Only the development server shows it, at /console-kit. */
export function KitPage() {
  const [open, setOpen] = useState(false);
  return (
    <main className="kit-page">
      <div className="row between">
        <h1>Parts of the console</h1>
        <span className="row">
          <Button onClick={() => setOpen(true)}>Open a dialog</Button>
          <Button onClick={() => toast('Saved the settings.')}>Show a toast</Button>
        </span>
      </div>
      <div className="kit-themes">
        <Parts colours="light" />
        <Parts colours="dark" />
      </div>
      <Dialog title="Delete office-1" open={open} onClose={() => setOpen(false)}>
        <p>Focus stays inside, and Escape closes it.</p>
        <footer className="row">
          <Button onClick={() => setOpen(false)}>Cancel</Button>
          <Button look="danger solid" onClick={() => setOpen(false)}>
            Delete gateway
          </Button>
        </footer>
      </Dialog>
    </main>
  );
}

function Parts({ colours }: { colours: 'light' | 'dark' }) {
  return (
    <section className="kit-theme" data-colours={colours} aria-label={`Parts in ${colours} colours`}>
      <Tokens />
      <Marks />
      <Buttons />
      <Fields />
      <Tables />
      <Messages />
      <Plans />
      <Editor />
    </section>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="stack">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

const steps = Array.from({ length: 12 }, (_, i) => `n${i + 1}`);
const meant = [
  'accent',
  'accent-strong',
  'accent-soft',
  'good',
  'good-soft',
  'wait',
  'warn',
  'warn-soft',
  'bad',
  'bad-soft',
];

function Tokens() {
  return (
    <Part title="Tokens">
      <div className="swatches">
        {[...steps, ...meant].map((name) => (
          <span key={name}>
            <i style={{ background: `var(--${name})` } as CSSProperties} />
            {name}
          </span>
        ))}
      </div>
      <div className="sizes">
        {[28, 20, 16, 14, 13].map((size) => (
          <p key={size} style={{ fontSize: size }}>
            {size} px: All 12 gateways enforce what your policies say
          </p>
        ))}
        <p>
          <code>10.20.0.10</code> <span className="num">1,204 devices</span> <span className="muted">muted text</span>
        </p>
      </div>
      <span className="row">
        {Object.entries(icons).map(([name, icon]) => (
          <span key={name} title={name} style={{ width: 20 }}>
            {icon}
          </span>
        ))}
      </span>
    </Part>
  );
}

const meanings: [Meaning, string][] = [
  ['good', 'Online'],
  ['wait', 'Pending'],
  ['draining', 'Draining'],
  ['warn', 'Warning'],
  ['bad', 'Error'],
  ['off', 'Offline'],
];

function Marks() {
  return (
    <Part title="Status marks">
      <span className="row">
        {meanings.map(([meaning, text]) => (
          <Status key={meaning} meaning={meaning}>
            {text}
          </Status>
        ))}
        <span className="chip">this one</span>
      </span>
    </Part>
  );
}

function Buttons() {
  return (
    <Part title="Buttons">
      <span className="row">
        <Button>Test gateway</Button>
        <Button look="primary">Create gateway</Button>
        <Button look="danger">Delete gateway</Button>
        <Button look="danger solid">Delete: 3 people lose Wiki</Button>
        <Button look="plain">Hide</Button>
        <Button busy>Testing…</Button>
        <Button disabled>Not now</Button>
        <Copy text="10.20.0.10" />
      </span>
    </Part>
  );
}

function Fields() {
  const [kind, setKind] = useState<'device' | 'user'>('device');
  return (
    <Part title="Fields">
      <Field label="Name" defaultValue="office-1" hint="People see it in lists" />
      <Field label="UDP port" defaultValue="99999" error="must be a port from 1 to 65535" />
      <Field label="Not to be changed" defaultValue="acme" disabled />
      <Choice label="Action" error="must be allow for internet policies">
        <option>Allow</option>
        <option>Deny</option>
      </Choice>
      <label className="check">
        <input type="checkbox" defaultChecked />
        <span>Replace the addresses of devices with its own</span>
      </label>
      <Segments
        label="For"
        value={kind}
        options={[
          ['device', 'A device'],
          ['user', 'A user'],
        ]}
        onChange={setKind}
      />
      <Picker
        label="Groups"
        kind="group"
        chosen={[
          { id: '1', name: 'Engineering' },
          { id: '2', name: 'Werk Süd, Halle 7 – Schaltschrank neben der Anlieferung im Untergeschoss' },
        ]}
        onChange={() => undefined}
      />
      <Discard onKeep={() => undefined} onDiscard={() => undefined} />
    </Part>
  );
}

const rows = [
  { id: '1', name: 'office-1', meaning: 'good', status: 'Online', seen: new Date().toISOString() },
  { id: '2', name: 'مكتب دبي', meaning: 'bad', status: 'Error', seen: '2026-01-15T12:00:00Z' },
  { id: '3', name: '🏭 plant', meaning: 'off', status: 'Offline', seen: undefined },
] as const;

function Tables() {
  return (
    <Part title="Tables">
      <div className="card">
        <Table<(typeof rows)[number]>
          caption="Gateways"
          rows={rows}
          keyOf={({ id }) => id}
          current="2"
          columns={[
            { head: 'Name', cell: ({ name }) => name },
            { head: 'Status', cell: ({ meaning, status }) => <Status meaning={meaning}>{status}</Status> },
            { head: 'Last online', end: true, cell: ({ seen }) => <Ago at={seen} /> },
          ]}
        />
      </div>
      <div className="card">
        <Empty title="No gateway yet" action={<Button look="primary">New gateway</Button>}>
          A gateway runs on a host in your network.
        </Empty>
      </div>
      <Skeleton lines={3} />
    </Part>
  );
}

function Messages() {
  return (
    <Part title="Messages">
      <p className="note">A restart of the controller prints a new link.</p>
      <p className="note good">Everything is applied.</p>
      <p className="note warn">Something changed since this plan was made.</p>
      <p className="note bad">The controller does not answer. Check the network, and whether it runs.</p>
      <div className="verdict yes">
        <h3>laptop may reach 10.20.0.10</h3>
        <p>A policy allows it.</p>
      </div>
      <div className="verdict no">
        <h3>laptop may not reach 10.20.0.11</h3>
        <p>No policy allows it.</p>
      </div>
      <Secret text="spk_example_of_a_secret_that_is_shown_once" about="API key “ci”." file="ci.key" />
      <div className="toasts">
        <div className="toast">Deleted device-1.</div>
      </div>
    </Part>
  );
}

const wiki = { id: 'r', name: 'Wiki' };
const sample = {
  revision: 7,
  changes: [],
  gained: 1,
  lost: 2,
  unchanged: 12,
  samples: [],
  pairs: [
    ...['anna', 'ben'].map((name) => ({
      change: 'lost' as const,
      device: { id: name, name: `${name}-laptop` },
      user: { id: name, email: `${name}@example.com` },
      resource: wiki,
    })),
    { change: 'gained' as const, device: { id: 'd', name: 'printer' }, resource: wiki },
  ],
};

function Plans() {
  return (
    <Part title="Plans and conflicts">
      <dialog className="dialog" open aria-label="A plan">
        <div className="dialog-body">
          <h3>Delete Everybody reads the wiki</h3>
          <Effects plan={sample} />
          <footer className="row">
            <Button>Cancel</Button>
            <Button look="danger solid">{`Delete policy: ${effectText(sample)}`}</Button>
          </footer>
        </div>
      </dialog>
      <Conflict
        form={{
          start: { name: 'Engineering', description: '' },
          values: { name: 'Engineering', description: 'Mine' },
          labels: { name: 'Name', description: 'Description' },
        }}
        theirs={{ value: { name: 'Engineers', description: 'Theirs' }, version: '"2"' }}
        show={(_, value) => String(value)}
        onChoose={() => undefined}
        onCancel={() => undefined}
      />
    </Part>
  );
}

function Editor() {
  const [rule, setRule] = useState("user.department == 'Engineering' &&\n  user.salary > 3");
  return (
    <Part title="Rules">
      <RuleEditor
        label="Rule"
        value={rule}
        onChange={setRule}
        field={null}
        fault={{ line: 2, column: 8, message: 'there is no field salary', hint: 'Fields of user are id and email.' }}
      />
    </Part>
  );
}
