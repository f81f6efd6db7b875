// What is measured: how the load generator is called, for whom, and which of its figures are shown.
//
// `better` says which way a figure is good; figures without it are shown without a ratio. The load generator's
// milliseconds per thousand are microseconds each.

const figure = (field, name, better, digits = 1, scale = 1) => ({ field, name, better, digits, scale });
const CPU_SEND = figure('cpu_ms_per_1000_sends', 'CPU a send, us', 'less');
const CPU_DELIVERY = figure('cpu_ms_per_1000_deliveries', 'CPU a delivery, us', 'less', 2);
const MB = 1 / 1024;

const CLOSED = {
  title: 'Closed loop: 50 conversations of two, 100 sends in flight',
  targets: ['doorbell', 'prisma-sqlite', 'raw-sqlite'],
  arguments: (seconds) => ['pairs', '--convs', 50, '--rate', 0, '--secs', seconds],
  figures: [
    figure('sends_per_s', 'sends/s', 'more', 0),
    CPU_SEND,
    figure('ack_p50_ms', 'ack p50, ms', 'less'),
    figure('ack_p99_ms', 'ack p99, ms', 'less'),
    figure('rss_peak_kb', 'RSS, MB', 'less', 0, MB),
  ],
};
const FANOUT = {
  title: 'Fan-out: a group of 1,000, 20 messages/s',
  targets: ['doorbell', 'none', 'prisma-sqlite', 'raw-sqlite'],
  arguments: (seconds) => ['fanout', '--members', 1000, '--senders', 1, '--rate', 20, '--secs', seconds],
  figures: [
    CPU_DELIVERY,
    figure('dlv_p50_ms', 'delivery p50, ms', 'less'),
    figure('dlv_p99_ms', 'delivery p99, ms', 'less'),
  ],
};
const COMEBACK = {
  title: 'Coming back: 10,000 clients of 1,000 groups, the server killed under them and started again',
  targets: ['doorbell', 'doorbell-pg'],
  isKilled: true,
  arguments: () => ['comeback', '--conns', 10_000, '--members', 10, '--dsts', 4, '--connect_secs', 200],
  figures: [
    figure('back_s', 'all back, s', 'less', 2),
    figure('back_p50_s', 'half of them back, s', 'less', 2),
    figure('caught_up_s', 'all caught up, s', 'less', 2),
    figure('recovered', 'put back into their sessions', undefined, 0),
    figure('anew', 'told to begin anew', undefined, 0),
    figure('failed_attempts', 'attempts that failed', undefined, 0),
  ],
};

export const SCENARIOS = {
  closed: CLOSED,
  'closed-postgres': { ...CLOSED, title: `${CLOSED.title}; PostgreSQL`, targets: ['doorbell-pg', 'prisma-pg', 'raw-pg'] },
  pairs: {
    title: 'Open loop: 500 conversations of two, 2,000 sends/s',
    targets: ['doorbell', 'raw-sqlite'],
    absent: { 'prisma-sqlite': 'not run: it stays below 1,000 sends/s in the closed loop' },
    arguments: (seconds) => ['pairs', '--convs', 500, '--rate', 2000, '--secs', seconds],
    figures: [CPU_SEND, figure('ack_p50_ms', 'ack p50, ms', 'less'), figure('ack_p99_ms', 'ack p99, ms', 'less')],
  },
  fanout: FANOUT,
  'fanout-nodes': {
    ...FANOUT,
    title: `${FANOUT.title}; spread over two nodes`,
    targets: ['two-nodes', 'doorbell-pg'],
    // Longer than the news of who has come take on their way to the other node.
    arguments: (seconds) => [...FANOUT.arguments(seconds), '--warm', 12],
  },
  comeback: COMEBACK,
  'comeback-at-once': {
    ...COMEBACK,
    title: `${COMEBACK.title}; none of them waits before trying`,
    arguments: () => [...COMEBACK.arguments(), '--delays', 'none'],
  },
  idle: {
    title: 'Idle: 8,000 authenticated connections',
    targets: ['doorbell', 'none'],
    absent: { 'prisma-sqlite': 'as without a store', 'raw-sqlite': 'as without a store' },
    arguments: () => ['idle', '--conns', 8000, '--dsts', 4, '--hold', 5],
    figures: [
      figure('rss_kb_per_conn', 'RSS a connection, KB', 'less'),
      figure('server_cpu_ms_per_1000_connects', 'CPU a connect, us', 'less', 0),
      figure('rss_before_kb', 'RSS empty, MB', 'less', 0, MB),
    ],
  },
  stalled: {
    title: 'Slow reader: a group of 20, one of whom never reads, 300 messages/s of 8,000 bytes',
    targets: ['doorbell', 'none'],
    absent: { 'prisma-sqlite': 'as without a store', 'raw-sqlite': 'as without a store' },
    arguments: (seconds) => [
      'fanout',
      '--members',
      20,
      '--stall',
      1,
      '--rate',
      300,
      '--payload',
      8000,
      '--secs',
      seconds,
    ],
    figures: [
      CPU_DELIVERY,
      figure('dlv_p99_ms', 'delivery p99, ms', 'less'),
      figure('rss_growth_kb', 'RSS growth, MB', 'less', 0, MB),
      figure('stalled_dropped', 'slow readers closed', undefined, 0),
    ],
  },
  flood: {
    title: 'Flood: 50 conversations of two, 100 sends/s, calm and then beside one client at 100 times every limit',
    targets: ['doorbell'],
    hasRates: true,
    // The second time in the same server.
    isFlooded: true,
    arguments: (seconds) => ['pairs', '--convs', 50, '--rate', 100, '--secs', seconds],
    figures: [
      figure('calm_ack_p50_ms', 'calm: ack p50, ms', 'less'),
      figure('calm_ack_p99_ms', 'ack p99, ms', 'less'),
      figure('ack_p50_ms', 'flooded: ack p50, ms', 'less'),
      figure('ack_p99_ms', 'ack p99, ms', 'less'),
      figure('rss_growth_kb', 'RSS growth, MB', 'less', 0, MB),
      figure('flood_per_s', 'flood answered/s', undefined, 0),
    ],
  },
  history: {
    title: 'History: pages of 50 over REST, 8 clients',
    targets: ['doorbell', 'prisma-sqlite', 'raw-sqlite'],
    arguments: (seconds, target) => [
      'history',
      '--convs',
      4,
      '--depth',
      200,
      '--clients',
      8,
      '--secs',
      seconds,
      ...(target === 'doorbell' ? [] : ['--get', '/api/conversations/{id}/messages?limit=50']),
    ],
    figures: [
      figure('reads_per_s', 'pages/s', 'more', 0),
      figure('cpu_ms_per_1000_reads', 'CPU a page, us', 'less', 0),
      figure('bytes_per_read', 'KB a page', undefined, 1, 1 / 1000),
      figure('p50_ms', 'p50, ms', 'less'),
    ],
  },
};

const MUST_BE_NONE = ['lost', 'dup', 'reordered', 'rooms_order_differs', 'nacks', 'unacked', 'closed', 'anew'];

// Why a run does not count; nothing if it does.
export function faults(result) {
  const found = MUST_BE_NONE.filter((name) => result[name] > 0).map((name) => `${name} = ${result[name]}`);
  if (result.stalled !== undefined && result.stalled_dropped !== result.stalled) found.push('the slow reader was kept');
  if (result.rate > 0 && result.wall_s > result.secs + 1) found.push('could not keep the rate');
  return found;
}
