// The command line.
import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios.mjs';
import { TARGETS } from './targets.mjs';

const USAGE = `bench/run [--rounds 5] [--seconds 8] [--targets a,b] [--scenarios a,b] [--no-build] [--note TEXT]
bench/run --table FILE      the table of an earlier run

  --rounds     how often everything is measured, in turns (5)
  --seconds    how long each measured part takes (8)
  --targets    ${Object.keys(TARGETS).join(', ')}
  --scenarios  ${Object.keys(SCENARIOS).join(', ')}
  --no-build   take what is built already
  --note       a sentence that is kept with the results, as what else runs on the machine`;

export function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '8' },
        targets: { type: 'string', default: Object.keys(TARGETS).join(',') },
        scenarios: { type: 'string', default: Object.keys(SCENARIOS).join(',') },
        'no-build': { type: 'boolean', default: false },
        note: { type: 'string', default: '' },
        table: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    return { problem: `${error.message}\n\n${USAGE}` };
  }
  if (values.help) return { help: USAGE };
  const options = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    targets: values.targets.split(','),
    scenarios: values.scenarios.split(','),
    build: !values['no-build'],
    note: values.note,
    table: values.table,
  };
  const unknown = [
    ...options.targets.filter((name) => !(name in TARGETS)),
    ...options.scenarios.filter((name) => !(name in SCENARIOS)),
  ];
  if (unknown.length) return { problem: `Unknown: ${unknown.join(', ')}.\n\n${USAGE}` };
  if (!Number.isInteger(options.rounds) || options.rounds < 1) return { problem: '--rounds must be a whole number.' };
  if (!(options.seconds > 0)) return { problem: '--seconds must be a number above 0.' };
  return options;
}
