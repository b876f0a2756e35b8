/** A name that rules can use, with its type or signature, and what it means. */
export interface Word {
  /** What a click puts into the rule. */
  readonly text: string;
  readonly type: string;
  readonly about: string;
}

/** Names of admission rules in groups, as the reference beside the editor shows them. A test compares them with the rules. */
export const vocabulary: readonly { readonly title: string; readonly words: readonly Word[] }[] = [
  {
    title: 'Person',
    words: [
      { text: 'user.email', type: 'string', about: 'E-mail address' },
      { text: 'user.department', type: 'string', about: 'Department' },
      { text: 'user.attributes', type: 'map', about: 'What administrators and identity providers say' },
      { text: 'user.id', type: 'string', about: 'Id' },
      { text: 'groups', type: 'list of string', about: 'Names of the groups of the person' },
    ],
  },
  {
    title: 'Device',
    words: [
      { text: 'device.name', type: 'string', about: 'Name. The owner chooses it' },
      { text: 'device.hardwareId', type: 'string', about: 'Hardware id' },
      { text: 'device.appVersion', type: 'string', about: 'Version of the client' },
      { text: 'device.id', type: 'string', about: 'Id' },
      { text: 'posture', type: 'map', about: 'Facts such as posture.diskEncrypted' },
    ],
  },
  {
    title: 'Place',
    words: [
      { text: 'source.ip', type: 'string', about: 'Address that the tunnel comes from' },
      { text: 'source.country', type: 'string', about: 'Country of that address' },
      { text: "source.inCidr('10.0.0.0/8')", type: 'bool', about: 'Whether it is in one of these ranges' },
      { text: "source.inCountry('CH')", type: 'bool', about: 'Whether it is in one of these countries' },
    ],
  },
  {
    title: 'Time',
    words: [
      { text: 'time.hour', type: 'int', about: '0 to 23' },
      { text: 'time.minute', type: 'int', about: '0 to 59' },
      { text: 'time.weekday', type: 'string', about: 'MO to SU' },
      { text: 'time.date', type: 'string', about: 'Date such as 2026-12-24' },
      { text: "time.between('08:00', '18:00')", type: 'bool', about: 'Whether it is between two times of day' },
      { text: "time.onWeekdays('MO', 'FR')", type: 'bool', about: 'Whether it is one of these days' },
      { text: "time.before('2026-12-24T18:00')", type: 'bool', about: 'Whether a moment is still to come' },
      { text: "time.after('2026-12-24')", type: 'bool', about: 'Whether a moment has passed' },
    ],
  },
  {
    title: 'Functions',
    words: [
      { text: 'has(posture.osVersion)', type: 'bool', about: 'Whether a field is known' },
      { text: "groups.exists(g, g == 'Staff')", type: 'bool', about: 'Whether one element fits' },
      { text: "groups.all(g, g != 'Guests')", type: 'bool', about: 'Whether each element fits' },
      { text: "groups.exists_one(g, g == 'Staff')", type: 'bool', about: 'Whether exactly one element fits' },
      { text: 'size(groups)', type: 'int', about: 'Length of a text or list' },
      { text: "user.email.endsWith('@example.com')", type: 'bool', about: 'Whether a text ends so' },
      { text: "user.email.startsWith('admin')", type: 'bool', about: 'Whether a text begins so' },
      { text: "user.email.contains('+')", type: 'bool', about: 'Whether a text has this part' },
      { text: 'user.email.lowerAscii()', type: 'string', about: 'The text in lower case' },
      { text: 'user.email.upperAscii()', type: 'string', about: 'The text in upper case' },
      { text: 'int(posture.patchLevel)', type: 'int', about: 'A whole number' },
      { text: 'double(posture.score)', type: 'double', about: 'A number' },
      { text: 'string(time.hour)', type: 'string', about: 'A text' },
      { text: 'dyn(posture.patchLevel)', type: 'dyn', about: 'A value whose type is checked later' },
    ],
  },
];

/** Rules to start from. */
export const examples: readonly { readonly title: string; readonly rule: string }[] = [
  { title: 'A department', rule: "user.department == 'Engineering'" },
  { title: 'Office hours', rule: "time.between('08:00', '18:00') && time.onWeekdays('MO', 'TU', 'WE', 'TH', 'FR')" },
  { title: 'Encrypted disks', rule: 'posture.diskEncrypted == true' },
  { title: 'From the office or from home', rule: "source.inCidr('192.0.2.0/24') || source.inCountry('CH')" },
  { title: 'Until a date', rule: "time.before('2027-01-01') && groups.exists(g, g == 'Contractors')" },
];

/** Returns whether a rule refers to time. The command line derives it the same way. */
export const asksForTime = (rule: string): boolean => /(^|[^.\w])time\s*\./.test(rule);
