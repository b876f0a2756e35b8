import type { Zone } from './zone.ts';

export const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

/**
 * `time` in a rule: the wall clock of a zone at a moment. It takes note of what is asked of it: `boundary` is the first
 * later moment at which any answer given so far may be another one (Infinity: none).
 */
export class RuleTime {
  boundary = Number.POSITIVE_INFINITY;
  readonly #at: number;
  readonly #zone: Zone;
  readonly #offset: number;
  /** Wall clock as if it were UTC, and its midnight. */
  readonly #local: number;
  readonly #midnight: number;

  constructor(at: number, zone: Zone) {
    this.#at = at;
    this.#zone = zone;
    this.#offset = zone.offset(at);
    this.#local = at + this.#offset;
    this.#midnight = Math.floor(this.#local / day) * day;
  }

  get hour(): bigint {
    this.#until(Math.floor(this.#local / hour) * hour + hour);
    return BigInt(Math.floor((this.#local - this.#midnight) / hour));
  }

  get minute(): bigint {
    this.#until(Math.floor(this.#local / minute) * minute + minute);
    return BigInt(Math.floor((this.#local % hour) / minute));
  }

  get weekday(): string {
    this.#until(this.#midnight + day);
    // 1 January 1970 was a Thursday.
    return weekdays[(Math.floor(this.#midnight / day) + 3) % 7] as string;
  }

  get date(): string {
    this.#until(this.#midnight + day);
    return new Date(this.#midnight).toISOString().slice(0, 10);
  }

  /** From one time of the day, inclusive, to another, exclusive; past midnight when the second is the earlier one. */
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

  onWeekdays(days: readonly string[]): boolean {
    for (const name of days) assertWeekday(name);
    return days.includes(this.weekday);
  }

  before(text: string): boolean {
    const threshold = this.#zone.firstAt(localMoment(text));
    if (threshold > this.#at) this.boundary = Math.min(this.boundary, threshold);
    return this.#at < threshold;
  }

  after(text: string): boolean {
    return !this.before(text);
  }

  /** The answer given holds until the wall clock shows this, or is put forward or back. */
  #until(local: number): void {
    this.boundary = Math.min(this.boundary, local - this.#offset, this.#zone.nextTransition(this.#at));
  }
}

/** Milliseconds since midnight of `HH:MM`; `24:00` is the end of the day. Throws RangeError. */
export function timeOfDay(text: string): number {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const time = Number(hours) * hour + Number(minutes) * minute;
  if (!(time <= day)) throw new RangeError(`not a time of the day as in '08:30': ${text}`);
  return time;
}

/** Local time `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM` as if it were UTC. Throws RangeError. */
export function localMoment(text: string): number {
  const [, date, time = '00:00'] = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/.exec(text) ?? [];
  const midnight = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date)
    throw new RangeError(`not a date or time as in '2026-12-24' or '2026-12-24T18:00': ${text}`);
  return midnight + timeOfDay(time);
}

/** Throws RangeError. */
export function assertWeekday(name: string): void {
  if (!weekdays.some((known) => known === name))
    throw new RangeError(`not a weekday (${weekdays.join(', ')}): ${name}`);
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
