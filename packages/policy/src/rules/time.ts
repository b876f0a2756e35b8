import type { Timing } from './timing.ts';
import type { Zone } from './zone.ts';

/** Names of weekdays in rules, Monday first. */
export const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

/**
 * The variable `time` of a rule: the wall clock of a zone at a moment. It remembers what was read. `boundary` is the
 * first later moment at which any answer given so far may change (Infinity: none).
 */
export class RuleTime {
  boundary = Number.POSITIVE_INFINITY;
  readonly #at: number;
  readonly #zone: Zone;
  readonly #offset: number;
  /** Wall clock time as if it were UTC, and the last midnight. */
  readonly #local: number;
  readonly #midnight: number;
  readonly #timing: Pick<Timing, 'hours' | 'minutes'>;

  /** `timing` says which hours and minutes the rule tells apart. */
  constructor(at: number, zone: Zone, timing: Pick<Timing, 'hours' | 'minutes'> = { hours: null, minutes: null }) {
    this.#at = at;
    this.#timing = timing;
    this.#zone = zone;
    this.#offset = zone.offset(at);
    this.#local = at + this.#offset;
    this.#midnight = Math.floor(this.#local / day) * day;
  }

  /** The hour, 0 to 23. */
  get hour(): bigint {
    const now = Math.floor((this.#local - this.#midnight) / hour);
    this.#until(this.#midnight + nextCut(this.#timing.hours, now, 24) * hour);
    return BigInt(now);
  }

  /** The minute, 0 to 59. */
  get minute(): bigint {
    const now = Math.floor((this.#local % hour) / minute);
    this.#until(Math.floor(this.#local / hour) * hour + nextCut(this.#timing.minutes, now, 60) * minute);
    return BigInt(now);
  }

  /** The name of the weekday. */
  get weekday(): string {
    this.#until(this.#midnight + day);
    // 1 January 1970 was a Thursday.
    return weekdays[(Math.floor(this.#midnight / day) + 3) % 7] as string;
  }

  /** The date, as `YYYY-MM-DD`. */
  get date(): string {
    this.#until(this.#midnight + day);
    return new Date(this.#midnight).toISOString().slice(0, 10);
  }

  /** Returns whether it is between two times of the day, the second exclusive. An earlier second one is tomorrow's. */
  between(from: string, to: string): boolean {
    const [start, end] = [timeOfDay(from), timeOfDay(to)];
    if (start === end) throw new RangeError('time.between needs two different times');
    for (const moment of [start, end]) {
      const next = this.#midnight + moment;
      this.#until(next > this.#local ? next : next + day);
    }
    const now = this.#local - this.#midnight;
    return start < end ? start <= now && now < end : start <= now || now < end;
  }

  /** Returns whether today is one of some weekdays. */
  onWeekdays(days: readonly string[]): boolean {
    for (const name of days) assertWeekday(name);
    return days.includes(this.weekday);
  }

  /** Returns whether it is before a local time. */
  before(text: string): boolean {
    const local = localMoment(text);
    if (Math.abs(local - this.#local) > farAway) return this.#beforeFar(local);
    const threshold = this.#zone.firstAt(local);
    if (threshold > this.#at) this.boundary = Math.min(this.boundary, threshold);
    return this.#at < threshold;
  }

  /** Returns whether a local time has come. */
  after(text: string): boolean {
    return !this.before(text);
  }

  /**
   * Returns whether a local time is far in the future. Its exact moment does not matter and is expensive to compute.
   */
  #beforeFar(local: number): boolean {
    if (local < this.#local) return false;
    this.boundary = Math.min(this.boundary, local - 2 * day);
    return true;
  }

  /** Notes that an answer holds until the wall clock shows a local time, or the offset changes. */
  #until(local: number): void {
    this.boundary = Math.min(this.boundary, local - this.#offset, this.#zone.nextTransition(this.#at));
  }
}

/** Returns the first value after `now` at which an answer can change, or the end. */
function nextCut(cuts: readonly number[] | null, now: number, end: number): number {
  return cuts === null ? now + 1 : (cuts.find((cut) => cut > now) ?? end);
}

/** Returns the milliseconds from midnight to `HH:MM`; `24:00` is the end of the day. Throws RangeError. */
export function timeOfDay(text: string): number {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const time = Number(hours) * hour + Number(minutes) * minute;
  if (!(time <= day)) throw new RangeError(`not a time of the day as in '08:30': ${text}`);
  return time;
}

/** Parses `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM` as if it were UTC. Throws RangeError. */
export function localMoment(text: string): number {
  const [, date, time = '00:00'] = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/.exec(text) ?? [];
  const midnight = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date)
    throw new RangeError(`not a date or time as in '2026-12-24' or '2026-12-24T18:00': ${text}`);
  return midnight + timeOfDay(time);
}

/** Throws RangeError when a text is not a weekday. */
export function assertWeekday(name: string): void {
  if (!weekdays.some((known) => known === name))
    throw new RangeError(`not a weekday (${weekdays.join(', ')}): ${name}`);
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
/** Further than rules look ahead. */
const farAway = 30 * day;
