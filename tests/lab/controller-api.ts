import type { DryRun, OperationName, RequestBody, ResponseBody } from '@sallyport/contract';
import { operations, privateKeyPlaceholder } from '@sallyport/contract';
import { type Host, patienceMs, until } from '@sallyport/testkit';
import { generateKeyPair } from './keys.ts';

/** Key of the API in labs, with every right. */
export const labApiKey = 'e2e-bootstrap-key-0123456789abcdefghij';

/** The API of controllers at one address, as a host of the lab reaches it. */
export abstract class ControllerApi {
  abstract readonly url: string;
  readonly apiKey = labApiKey;
  readonly #host: Host;

  protected constructor(host: Host) {
    this.#host = host;
  }

  /** What the controllers have printed. */
  abstract get output(): string;

  /** Whether the address answers that it is ready. */
  async isReady(): Promise<boolean> {
    const answer = await this.#host.http(`${this.url}/readyz`);
    return 'status' in answer && answer.status === 200;
  }

  /** Calls an operation; throws with the problem on any status except its success status. */
  async call<N extends OperationName>(name: N, input: CallInput<N> = {}): Promise<ResponseBody<N>> {
    const { status, body } = await this.send(name, input);
    if (status !== operations[name].status) throw new Error(`${name}: ${status} ${body}`);
    return (body === '' ? undefined : JSON.parse(body)) as ResponseBody<N>;
  }

  /** Calls it with `?dry-run=true` and returns the changes. */
  async dryRun<N extends OperationName>(name: N, input: CallInput<N> = {}): Promise<DryRun> {
    const { status, body } = await this.send(name, input, '?dry-run=true');
    if (status !== 200) throw new Error(`${name} dry run: ${status} ${body}`);
    return JSON.parse(body) as DryRun;
  }

  async gatewayIs(id: string, status: string, timeoutMs = patienceMs): Promise<ResponseBody<'getGateway'>> {
    let last: unknown;
    return until(
      `gateway status ${status}`,
      async () => {
        const gateway = await this.call('getGateway', { params: { id } });
        last = gateway;
        return gateway.status === status ? gateway : null;
      },
      { timeoutMs },
    ).catch((error) => {
      throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last)}`);
    });
  }

  /** Waits until the gateway has applied the tenant's newest revision. */
  async converged(id: string): Promise<void> {
    let last: unknown;
    await until(`gateway ${id} to have applied everything`, async () => {
      const { statistics, status, error } = await this.call('getGateway', { params: { id } });
      last = { statistics, status, error };
      return status !== 'ERROR' && statistics?.lag === 0;
    }).catch((error) => {
      throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last)}`);
    });
  }

  /** Sends a request. Returns the answer whatever its status is, and throws without one. */
  async send<N extends OperationName>(
    name: N,
    input: CallInput<N>,
    query = '',
  ): Promise<{ status: number; body: string }> {
    const { method, path } = operations[name];
    const url = `${this.url}${path.replace(/\{(\w+)\}/g, (_, key: string) => input.params?.[key] ?? '')}${query}`;
    const answer = await this.#host.http(url, {
      method,
      headers: { apikey: this.apiKey, 'content-type': 'application/json', ...input.headers },
      ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
      timeoutMs: input.timeoutMs ?? 35_000,
    });
    if ('error' in answer) throw new Error(`${method} ${url}: ${answer.error}`);
    return answer;
  }

  /**
   * Registers a plain device, with or without an owner, with a key created here. Returns the wg-quick configuration.
   */
  async addDevice(name: string, user?: string): Promise<TestDevice> {
    const keys = generateKeyPair();
    const body = { name, publicKey: keys.publicKey, ...(user !== undefined && { user }) };
    const device = await this.call('createDevice', { body });
    return { id: device.id, privateKey: keys.privateKey, addresses: device.overlayAddresses ?? [] };
  }

  /** Returns the configuration that the owner of a device exports; `query` such as `?ipv6=false`. */
  async deviceConfiguration(device: TestDevice, query = ''): Promise<string> {
    const answer = await this.send('getDeviceConfiguration', { params: { id: device.id } }, query);
    if (answer.status !== 200) throw new Error(answer.body);
    const { text } = operations.getDeviceConfiguration.response.parse(JSON.parse(answer.body));
    return text.replace(privateKeyPlaceholder, device.privateKey);
  }
}

/** What a request carries. */
export interface CallInput<N extends OperationName> {
  readonly params?: Record<string, string>;
  readonly body?: RequestBody<N>;
  readonly headers?: Record<string, string>;
  readonly timeoutMs?: number;
}

/** A plain device of a test. */
export interface TestDevice {
  readonly id: string;
  readonly privateKey: string;
  readonly addresses: readonly string[];
}
