import fc from 'fast-check';

/** Random files for `sally apply`. Sections use few names, so that successive files declare the same objects. */
const names = fc.uniqueArray(fc.constantFrom('a', 'B', 'c d', 'Zürich', '10', 'true', "it's", '- x: #'), {
  maxLength: 4,
});
const description = fc.constantFrom('', 'some text', 'yes', '# no comment');

function objects<T extends object>(fields: (name: string) => fc.Arbitrary<T>) {
  return names.chain((all) => fc.tuple(...all.map((name) => fields(name).map((rest) => ({ name, ...rest })))));
}

const gateways = objects(() =>
  fc.record({
    description,
    port: fc.constantFrom(51820, 51821),
    endpoint: fc.constantFrom(null, 'vpn.example.com'),
    masquerade: fc.boolean(),
    intent: fc.constantFrom('ACTIVE', 'OFFLINE'),
    relay: fc.boolean(),
    relayPorts: fc.constantFrom('52000-52999', '53000-53010'),
    mtu: fc.constantFrom(null, 1200),
    dnsServers: fc.subarray(['10.0.0.53', '[fd00::53]:5353 corp.example lab.example']),
    network: fc.constantFrom(null, 'berlin'),
    labels: fc.subarray(['eu', 'site=berlin', 'test']),
  }),
);

const settings = fc.record({
  timeZone: fc.constantFrom('UTC', 'Europe/Zurich'),
  leaseSeconds: fc.constantFrom(300, 86_400),
  drainSeconds: fc.constantFrom(0, 300),
  localNetwork: fc.constantFrom('CLOSED', 'RESOLVERS', 'OPEN'),
  otherNames: fc.constantFrom('FORWARD', 'REFUSE'),
  mtu: fc.constantFrom(1280, 1420),
  auditRetentionDays: fc.constantFrom('forever', 30),
});

const groups = objects(() =>
  fc.record({
    description,
    roles: fc.subarray(['Admin', 'User']),
    maxDevices: fc.nat(9),
    idpMapping: fc.subarray(['x', 'y']),
  }),
);

const signIn = fc.record({
  methods: fc.shuffledSubarray(['PASSKEY', 'PASSWORD', 'PROVIDER'], { minLength: 1 }),
  idleMinutes: fc.constantFrom(60, 720),
});

const rules = objects(() => fc.record({ rule: fc.constantFrom('true', 'time.hour > 8\n&& true', ' false ') }));

const some = (all: readonly string[]) => fc.shuffledSubarray([...all]);
const allOr = (all: readonly string[]) => fc.oneof(fc.constant('all'), some(all));
const named = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);

/**
 * Random files with every section that the controller accepts. A policy that denies has no rule of its own. A policy names
 * only resources of its type.
 */
export const declarations = fc.record({ settings, signIn, gateways, groups, rules }).chain((base) => {
  // The type of a resource is immutable, so it depends on the name.
  const resources = objects((name) =>
    fc.record({
      description,
      addresses: fc
        .uniqueArray(fc.constantFrom('10.0.0.1', '10.1.0.0/16', 'fd00::1'), { minLength: 1 })
        .map((all) => all.map((address) => ({ address, protocols: ['HTTPS'] }))),
      mode: fc.constantFrom('MANUAL', 'AUTOMATIC'),
      gateways: some(named(base.gateways)),
      labels: fc.subarray(['eu', 'site=berlin']),
      type: fc.constant(name.length % 2 === 0 ? 'PRIVATE' : 'SAAS'),
    }),
  );
  const users = fc
    .uniqueArray(fc.constantFrom('anna@example.com', 'Ben@example.com'), { maxLength: 2 })
    .chain((emails) =>
      fc.tuple(
        ...emails.map((email) =>
          fc.record({
            email: fc.constant(email),
            groups: some(named(base.groups)),
            roles: some(['Admin', 'Auditor']),
            active: fc.boolean(),
            department: fc.constantFrom(null, 'Lab'),
            attributes: fc.constantFrom({}, { level: 3, tags: ['a', 'b'] }),
            maxDevices: fc.constantFrom(null, 3),
          }),
        ),
      ),
    );
  const providers = objects(() =>
    fc.record({
      issuer: fc.constantFrom('https://id.example.com', 'https://id.example.org/realms/a'),
      clientId: fc.constantFrom('a', 'b'),
      groupsClaim: fc.constantFrom(null, 'groups'),
      groupMapping: some(named(base.groups)).map((all) => all.map((group) => ({ value: 'x', group }))),
      emailDomains: fc.subarray(['example.com', 'example.org']),
      enabled: fc.boolean(),
    }),
  );
  return fc.record({ resources, users, providers }).chain((more) => {
    const policies = fc
      .uniqueArray(fc.tuple(fc.constantFrom('p', 'q', 'r', 's'), fc.constantFrom('PRIVATE', 'SAAS')), {
        selector: (pair) => pair.join(),
        maxLength: 6,
      })
      .chain((all) =>
        fc.tuple(
          ...all.map(([name, type]) =>
            fc.boolean().chain((allows) =>
              fc.record({
                ...{ name: fc.constant(name), type: fc.constant(type), description },
                action: fc.constant(allows ? 'allow' : 'deny'),
                rule: fc.constantFrom('Admission without Restrictions', ...(allows ? named(base.rules) : [])),
                users: allOr(more.users.map(({ email }) => email)),
                groups: allOr(named(base.groups)),
                devices: allOr(['laptop', 'phone']),
                resources: allOr(named(more.resources.filter((resource) => resource.type === type))),
              }),
            ),
          ),
        ),
      );
    return fc.record({ policies }).map((last) => ({ ...base, ...more, ...last }));
  });
});
