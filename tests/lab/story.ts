import { until } from '@sallyport/testkit';
import type { SmallInternet } from './small-internet.ts';
import { ControllerUnderTest, GatewayUnderTest, wgQuickUp } from './system.ts';

/** Output of the story: a headline, a line in progress, and its outcome. */
export interface Narrator {
  chapter(title: string): void;
  tell(line: string): void;
  /** Runs a step and prints its outcome; `expect` returns the sentence for the result, or throws. */
  step<T>(line: string, run: () => Promise<T>, outcome: (value: T) => string): Promise<T>;
}

/** The parts that stay up after the story. */
export interface Stage {
  readonly controller: ControllerUnderTest;
  readonly gateway: GatewayUnderTest;
}

/** Runs the main job from nothing to a revocation, with real daemons and packets. Throws when a step does not hold. */
export async function tellStory(world: SmallInternet, narrator: Narrator): Promise<Stage> {
  narrator.chapter('A private web server that nobody can reach');
  const [laptop, visitor, web] = await Promise.all([world.host('laptop'), world.host('visitor'), world.host('web')]);
  await web.listenHttp(80, 'Welcome to the private page.\n');
  await web.listenHttp(8080, 'The administration page.\n');
  await narrator.step(
    'laptop asks http://10.20.0.10/',
    () => laptop.tcp('10.20.0.10', 80, { timeoutMs: 800 }),
    mustFail,
  );

  narrator.chapter('A controller, and a gateway created through its API');
  const controller = await narrator.step(
    'starting the controller on 203.0.113.10',
    () => ControllerUnderTest.start(world),
    () => 'ready',
  );
  const created = await narrator.step(
    'POST /tenants/gateways {"name":"office","wireguardPort":"51820","endpoint":"203.0.113.20"}',
    () =>
      controller.call('createGateway', { body: { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' } }),
    (gateway) => `201, status ${gateway.status}, id ${gateway.id}`,
  );
  const gateway = await narrator.step(
    'sally gateway run on 203.0.113.20, with the token of the answer',
    () => GatewayUnderTest.start(world, controller, created.token),
    () => 'started',
  );
  await narrator.step(
    'waiting for the gateway',
    () => controller.gatewayIs(created.id, 'ONLINE'),
    (g) => `status ${g.status}, deployed ${g.deployedOn}`,
  );

  narrator.chapter('A resource, two devices, one policy');
  const http = await controller.call('createProtocol', {
    body: { name: 'Web', networkProtocols: [{ protocol: 'TCP', port: '80' }] },
  });
  const resource = await narrator.step(
    'POST /tenants/resources: 10.20.0.10 and fd20::10, TCP 80, carried by office',
    async () => {
      const addresses = ['10.20.0.10', 'fd20::10'].map((address) => ({ address, protocols: [http.id] }));
      const { id } = await controller.call('createResource', {
        body: { name: 'Private page', type: 'PRIVATE', addresses },
      });
      return controller.call('saveLoadBalancing', {
        params: { id },
        body: { loadBalancingMode: 'MANUAL', gateways: [created.id] },
      });
    },
    (r) => `resource ${r.id}`,
  );
  const laptopDevice = await narrator.step(
    'registering the laptop',
    () => controller.addDevice('laptop'),
    (d) => d.addresses.join(', '),
  );
  const visitorDevice = await narrator.step(
    'registering the visitor',
    () => controller.addDevice('visitor'),
    (d) => d.addresses.join(', '),
  );
  const flags = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
  const policy = await narrator.step(
    'POST /tenants/policies: the laptop may reach the private page',
    () =>
      controller.call('createPolicy', {
        body: {
          name: 'Laptop reads',
          action: true,
          type: 'PRIVATE',
          ...flags,
          devices: [laptopDevice.id],
          resources: [resource.id],
        },
      }),
    (p) => `policy ${p.id}, order ${p.order}`,
  );
  await controller.converged(created.id);

  narrator.chapter('Packets');
  const text = await controller.deviceConfiguration(laptopDevice);
  const foreign = text.replace(/^(Address|PrivateKey) = .*$/gm, (_, key: string) =>
    key === 'PrivateKey'
      ? `PrivateKey = ${visitorDevice.privateKey}`
      : `Address = ${visitorDevice.addresses.join(', ')}`,
  );
  const everything = text.replace(/^AllowedIPs = .*$/m, 'AllowedIPs = 10.0.0.0/8, fd00::/8, 100.64.0.0/10');
  await narrator.step(
    'laptop: wg-quick up, with allowed IPs that its owner widened to all private networks',
    () => wgQuickUp(world, 'laptop', everything),
    (name) => `interface ${name}`,
  );
  await narrator.step(
    'visitor: wg-quick up with the same peer, though no policy names it',
    () => wgQuickUp(world, 'visitor', foreign),
    (name) => `interface ${name}`,
  );
  await narrator.step(
    'laptop asks http://10.20.0.10/',
    () => until('the page', async () => bodyOf(await laptop.http('http://10.20.0.10/'))),
    (body) => `"${body.trim()}"`,
  );
  await narrator.step(
    'laptop asks http://[fd20::10]/',
    async () => mustHave(bodyOf(await laptop.http('http://[fd20::10]/'))),
    (body) => `"${body.trim()}"`,
  );
  await narrator.step(
    'laptop asks another port, http://10.20.0.10:8080/',
    () => laptop.tcp('10.20.0.10', 8080, { timeoutMs: 800 }),
    mustFail,
  );
  await narrator.step(
    'laptop asks another host, 10.20.0.11',
    () => laptop.ping('10.20.0.11', { timeoutMs: 800 }),
    mustFail,
  );
  await narrator.step(
    'visitor asks http://10.20.0.10/',
    () => visitor.tcp('10.20.0.10', 80, { timeoutMs: 800 }),
    mustFail,
  );

  narrator.chapter('Revocation');
  await narrator.step(
    'DELETE /tenants/policies/{id}',
    () => controller.call('deletePolicy', { params: { id: policy.id } }),
    () => '204',
  );
  await narrator.step(
    'waiting until the gateway says that it is in force',
    () => controller.converged(created.id),
    () => 'applied',
  );
  await narrator.step(
    'laptop asks http://10.20.0.10/ again',
    () => laptop.tcp('10.20.0.10', 80, { timeoutMs: 800 }),
    mustFail,
  );
  await narrator.step(
    'giving it back',
    () =>
      controller.call('createPolicy', {
        body: {
          name: 'Laptop reads',
          action: true,
          type: 'PRIVATE',
          ...flags,
          devices: [laptopDevice.id],
          resources: [resource.id],
        },
      }),
    () => 'allowed',
  );
  return { controller, gateway };
}

function mustFail(answer: string): string {
  if (answer === 'ok') throw new Error('this had to be refused, and was not');
  return `refused (${answer.split('\n')[0]})`;
}

function bodyOf(answer: { status: number; body: string } | { error: string }): string | null {
  return 'body' in answer && answer.status === 200 ? answer.body : null;
}

function mustHave<T>(value: T | null): T {
  if (value === null) throw new Error('this had to work, and did not');
  return value;
}
