import type { Input, RuleTrial } from '@sallyport/contract';
import { checkRule, evaluateRule, inputsOf, type World, type WorldDevice } from '@sallyport/policy';
import { invalidField } from '../../errors.ts';
import { unknownDevice } from './explain.ts';

type Trial = Input<'tryAdmissionRule'>['body'];

/** Checks the text of a rule. With a device or a user, a valid rule is evaluated for it. */
export function tryRule(world: World, asked: Trial, now: number): RuleTrial {
  const device = deviceOf(world, asked);
  const check = checkRule(asked.rule);
  if (!check.ok) {
    const { line, column, message, hint } = check;
    return { problem: { line, column, message, hint } };
  }
  if (device === null) return {};
  const at = asked.at === undefined ? now : Date.parse(asked.at);
  const rule = { id: '', unrestricted: false, source: asked.rule, timeZone: asked.timeZone ?? null };
  const { met, reason, validUntil, conditions } = evaluateRule(
    rule,
    inputsOf(world, device),
    at,
    world.settings.timeZone,
  );
  return {
    result: {
      met,
      ...(met || reason === null ? {} : { reason }),
      at: new Date(at).toISOString(),
      ...(validUntil === null ? {} : { validUntil: new Date(validUntil).toISOString() }),
      conditions: conditions.map((condition) => ({ ...condition })),
    },
  };
}

function deviceOf(world: World, { device, user }: Trial): WorldDevice | null {
  if (user !== undefined) {
    if (!world.users.has(user)) throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
    return unknownDevice(user);
  }
  if (device === undefined) return null;
  const found = world.devices.get(device);
  if (found === undefined) throw invalidField('/device', 'is not the id of a device', 'invalid_reference');
  return found;
}
