// Results as tables: the median of the rounds with the least and the most, and how many times better Doorbell is.
import { SCENARIOS } from './scenarios.mjs';
import { TARGETS } from './targets.mjs';

const median = (values) => {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const written = (value, digits) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

const between = (values, digits) => {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${written(median(values), digits)} [${written(least, digits)}-${written(most, digits)}]`;
};

export function table(facts, runs) {
  const lines = [headline(facts, runs), ''];
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const own = runs.filter((run) => run.scenario_name === name);
    if (own.length) lines.push(...scenarioTable(scenario, own), '');
  }
  return lines.join('\n');
}

function headline(facts, runs) {
  const shares = runs.map((run) => run.loadgen_share).filter((share) => share !== undefined);
  return [
    `${facts.date.slice(0, 16).replace('T', ' ')} UTC, commit ${facts.commit}${facts.changed ? ' with changes' : ''}, ` +
      `${facts.rounds} rounds of ${facts.seconds} s.`,
    `${facts.cores} cores (${facts.cpu}), ${facts.memory_gb} GB, Linux ${facts.kernel}, Node ${facts.node}, ` +
      `Rust ${facts.rust}.`,
    `Before a run: load average ${between(
      runs.map((run) => run.load_before),
      1,
    )}, ` +
      `a forced write of 4 KB ${between(
        runs.map((run) => run.fsync_ms),
        2,
      )} ms` +
      (shares.length ? `; the load generator took up to ${written(Math.max(...shares) * 100, 0)}% of a core.` : '.'),
    ...(facts.note ? [facts.note] : []),
  ].join('\n');
}

function scenarioTable(scenario, runs) {
  const columns = scenario.targets.filter((target) => runs.some((run) => run.target === target));
  // Whose lead is shown: the first of the scenario's targets.
  const [own] = scenario.targets;
  const peers = columns.includes(own) ? columns.filter((target) => target !== own) : [];
  const lines = [
    `**${scenario.title}**`,
    '',
    row(['', ...columns.map((target) => TARGETS[target].title), ...peers.map((peer) => `to ${TARGETS[peer].title}`)]),
    row(['---', ...columns.map(() => '---:'), ...peers.map(() => '---:')]),
  ];
  for (const figure of scenario.figures) {
    const cells = columns.map((target) =>
      spread(
        figure,
        runs.filter((run) => run.target === target),
      ),
    );
    lines.push(row([figure.name, ...cells, ...peers.map((peer) => ratio(figure, runs, own, peer))]));
  }
  const notes = Object.entries(scenario.absent ?? {}).map(([target, why]) => `${TARGETS[target].title}: ${why}.`);
  for (const target of columns) {
    const bad = runs.filter((run) => run.target === target && run.faults.length);
    const reasons = [...new Set(bad.flatMap((run) => run.faults))].join(', ');
    if (bad.length) notes.push(`(!) ${TARGETS[target].title}: ${bad.length} run(s) do not count (${reasons}).`);
  }
  if (notes.length) lines.push('', ...notes);
  return lines;
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const figures = (figure, runs) => runs.map((run) => run[figure.field]).filter((value) => value !== undefined);

// Of the runs that count; where none does, of all, marked.
function spread({ digits, scale, ...figure }, runs) {
  const good = figures(
    figure,
    runs.filter((run) => !run.faults.length),
  );
  const values = (good.length ? good : figures(figure, runs)).map((value) => value * scale);
  return values.length ? `${good.length ? '' : '(!) '}${between(values, digits)}` : '-';
}

// Median of the rounds' ratios: both sides of each were measured within minutes of each other.
function ratio(figure, runs, first, peer) {
  const of = (target, round) =>
    runs.find((run) => run.target === target && run.round === round && !run.faults.length)?.[figure.field];
  const rounds = [...new Set(runs.map((run) => run.round))];
  const ratios = rounds
    .map((round) => [of(first, round), of(peer, round)])
    .map(([own, other]) => (figure.better === 'more' ? own / other : other / own))
    .filter((value) => Number.isFinite(value) && value > 0);
  return figure.better && ratios.length ? `x ${written(median(ratios), 1)}` : '';
}
