import { z } from 'zod';
import { list } from '../bounds.ts';

/** Most labels of one object. */
export const mostLabels = 20;

/** Pattern of a label, without anchors: `eu`, `site:berlin`, `env=prod`. */
export const labelPattern = '[A-Za-z0-9]([A-Za-z0-9._:/=-]{0,61}[A-Za-z0-9])?';

/** Message about a text that is not a label. */
export const labelRule = 'must be a label: 1 to 63 letters, digits and . _ : / = -, with a letter or digit at each end';

const label = z
  .string()
  .regex(new RegExp(`^${labelPattern}$`), labelRule)
  .transform((text) => text.toLowerCase());

/** Label of a network in a request. It is stored in lower case. */
export const network = label
  .nullish()
  .describe(
    'Private network in which it stands. Gateways of one network have the same virtual address for a host name. ' +
      'Null: the network of all gateways without this label',
  );

/** Labels in a request. They are stored in lower case, in order and without repetition. */
export const labels = list(label, mostLabels)
  .transform((given) => [...new Set(given)].sort())
  .nullish()
  .describe('Labels to find objects by, such as eu or site=berlin; stored in lower case; null: none');

/** Labels in an answer. */
export const shownLabels = z.array(z.string()).optional().describe('Left out without labels');
