//! What the rooms count of themselves, and what the process uses, read at each scrape of `/metrics`.

mod process;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::{
    chat::{Chat, upload::Uploads},
    contracts::socket::Sockets,
    model::{Contract, Timestamp},
    store::sqlite::stats::{BOUNDS, Histogram, Stats, WAL_FRAME_BYTES},
};

/// The sources of one node's metrics.
pub struct Observed {
    pub chat: Arc<Chat>,
    pub uploads: Arc<Uploads>,
    /// Of the store, whichever engine it has.
    pub stats: Arc<Stats>,
    pub engine: doorbell_socketio::Server<Sockets>,
    /// When the process began.
    pub started_at: Timestamp,
}

/// Names its type alone: what it holds has people's texts in it.
impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut lines = Lines(encoder);
        self.chat(&mut lines)?;
        self.files(&mut lines)?;
        self.connections(&mut lines)?;
        self.store(&mut lines)?;
        self.bus(&mut lines)?;
        self.process(&mut lines)
    }
}

impl Observed {
    fn chat(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let counters = self.chat.counters();
        lines.counter("sends_stored", "Messages stored, each once.", counters.stored())?;
        lines.counter(
            "sends_repeated",
            "Sends whose message was stored already.",
            counters.repeated(),
        )?;
        lines.counters(
            "sends_refused",
            "Sends refused, by error code.",
            "code",
            counters.refused().map(|(code, count)| (code.as_str(), count)),
        )?;
        lines.counters(
            "deliveries",
            "Messages handed to sockets, by contract.",
            "contract",
            counters.delivered().map(|(contract, count)| (contract.as_str(), count)),
        )?;
        lines.counters(
            "rate_limited",
            "Refusals of what came too fast, by kind.",
            "kind",
            counters.limited().map(|(kind, count)| (kind.as_str(), count)),
        )?;
        lines.counters(
            "over_limit",
            "Refusals of one more than there may be at once, by kind.",
            "kind",
            counters.over().map(|(bounded, count)| (bounded.as_str(), count)),
        )?;
        lines.counter(
            "conversations_opened",
            "Conversations that did not exist before.",
            counters.opened(),
        )?;
        lines.counter("reads_advanced", "Read marks that rose.", counters.advanced())?;
        let (recovered, begun_anew) = counters.recoveries();
        lines.counters(
            "recoveries",
            "Clients that came back after a lost connection, by outcome.",
            "outcome",
            [("recovered", recovered), ("begun_anew", begun_anew)],
        )?;
        let mut sockets: Vec<(&'static str, i64)> = Contract::ALL
            .map(|contract| (contract.as_str(), 0))
            .into_iter()
            .chain([("untold", 0)])
            .collect();
        self.chat.hub().each(|socket| {
            let at = socket.told().map_or(Contract::ALL.len(), |contract| contract as usize);
            sockets[at].1 += 1;
        });
        lines.gauges(
            "sockets",
            "Live sockets, by the contract that they were told.",
            "contract",
            sockets,
        )
    }

    fn files(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let counters = self.uploads.counters();
        let refused = counters.refused().map(|(code, count)| (code.as_str(), count));
        let outcomes: Vec<(&'static str, u64)> = [("stored", counters.stored())].into_iter().chain(refused).collect();
        lines.counters(
            "uploads",
            "Files uploaded, by what became of them.",
            "outcome",
            outcomes,
        )?;
        lines.counter(
            "uploads_gave_way",
            "Uploads ended since all places were taken and others had fewer.",
            self.uploads.gave_way(),
        )?;
        lines.counter(
            "upload_bytes_received",
            "Bytes of files that came in.",
            counters.received_bytes(),
        )?;
        lines.counter(
            "media_bytes_sent",
            "Bytes of files that went out.",
            counters.served_bytes(),
        )?;
        lines.counter(
            "unsent_files_removed",
            "Files removed since no message named them for a day.",
            counters.swept(),
        )
    }

    fn connections(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let counters = self.engine.counters();
        let open = i64::try_from(self.engine.connections()).unwrap_or(i64::MAX);
        lines.gauge(
            "connections_open",
            "Socket.IO connections on whichever transport.",
            None,
            &open,
        )?;
        for (name, help, counter) in [
            (
                "connections_opened",
                "Socket.IO connections that were opened.",
                &counters.sessions_opened,
            ),
            (
                "connections_upgraded",
                "Connections that moved from polling to a WebSocket.",
                &counters.upgrades,
            ),
            ("connections_refused", "Socket.IO requests refused.", &counters.refused),
            (
                "websocket_writes",
                "Writes to WebSockets, each of one or more packets.",
                &counters.writes,
            ),
            (
                "bad_packets",
                "Connections closed for packets that are none.",
                &counters.bad_packets,
            ),
            (
                "slow_consumers_closed",
                "Connections closed because they did not take their pushes.",
                &counters.slow_consumers,
            ),
        ] {
            lines.counter(name, help, counter.load(Relaxed))?;
        }
        lines.counters(
            "packets",
            "Socket.IO packets, by direction as the server sees it.",
            "direction",
            [
                ("in", counters.packets_in.load(Relaxed)),
                ("out", counters.packets_out.load(Relaxed)),
            ],
        )
    }

    fn store(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let stats = &self.stats;
        lines.histogram(
            "commit",
            "Time of a transaction, with its flush to disk.",
            Some(&Unit::Seconds),
            &stats.commit_microseconds,
            1e6,
        )?;
        lines.histogram(
            "writer_batch_size",
            "Writes of a transaction.",
            None,
            &stats.batch_writes,
            1.0,
        )?;
        lines.gauge(
            "store_writable",
            "1 while what is sent can be stored, else 0.",
            None,
            &i64::from(!stats.is_failing.load(Relaxed)),
        )?;
        lines.gauge(
            "writer_queue_depth",
            "Writes that wait for the writer.",
            None,
            &stats.queued.load(Relaxed).cast_signed(),
        )?;
        lines.counter(
            "writes_refused",
            "Writes refused since the queue was full.",
            stats.refused.load(Relaxed),
        )?;
        lines.counter(
            "writes_retried",
            "Writes tried again alone since their batch failed.",
            stats.retried.load(Relaxed),
        )?;
        lines.counter(
            "transactions_failed",
            "Transactions that failed.",
            stats.failed.load(Relaxed),
        )?;
        let bytes = stats.wal_frames.load(Relaxed).saturating_mul(WAL_FRAME_BYTES);
        lines.gauge(
            "write_ahead_log",
            "Size of the write-ahead log when it was last looked at.",
            Some(&Unit::Bytes),
            &bytes.cast_signed(),
        )
    }

    fn bus(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let bus = self.chat.bus();
        let stats = bus.stats();
        lines.gauge(
            "bus_connected",
            "1 while the bus to the other nodes can be used; 0 without one.",
            None,
            &i64::from(*bus.linked().borrow()),
        )?;
        lines.counters(
            "bus_frames",
            "Frames on the bus, by direction as the node sees it.",
            "direction",
            [
                ("in", stats.frames_in.load(Relaxed)),
                ("out", stats.frames_out.load(Relaxed)),
            ],
        )?;
        for (name, help, counter) in [
            (
                "bus_dropped",
                "Signals that found no room, and frames that were on their way when the bus was lost.",
                &stats.dropped,
            ),
            (
                "bus_unreadable",
                "Frames of the bus that are none, and signals of unknown kinds.",
                &stats.unreadable,
            ),
            (
                "bus_repeated",
                "Frames of the bus that came again, or too late.",
                &stats.repeated,
            ),
            ("bus_lost", "Times that the bus was lost.", &stats.lost),
        ] {
            lines.counter(name, help, counter.load(Relaxed))?;
        }
        Ok(())
    }

    /// What the operating system does not tell is left out.
    fn process(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let started = self.started_at.as_millis() as f64 / 1_000.0;
        let help = "When the process began, since the epoch.";
        lines.gauge("process_start_time", help, Some(&Unit::Seconds), &started)?;
        if let Some(bytes) = process::resident_bytes() {
            let help = "Memory of the process that is not swapped out.";
            lines.gauge("process_resident_memory", help, Some(&Unit::Bytes), &bytes)?;
        }
        if let Some(files) = process::open_files() {
            lines.gauge("process_open_files", "Open file descriptors.", None, &files)?;
        }
        if let Some(files) = process::most_open_files() {
            let help = "File descriptors that the process may open.";
            lines.gauge("process_open_files_limit", help, None, &files)?;
        }
        Ok(())
    }
}

/// A page in the making.
struct Lines<'a>(DescriptorEncoder<'a>);

impl Lines<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labelled, value) in values {
            metric
                .encode_family(&[(label, labelled)])?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?
            .encode_gauge(value)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, i64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labelled, value) in values {
            metric.encode_family(&[(label, labelled)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// `per_unit`: how many of what the histogram counts make one of `unit`.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        histogram: &Histogram,
        per_unit: f64,
    ) -> fmt::Result {
        let counts = histogram.counts();
        let bounds = BOUNDS
            .map(|bound| bound as f64 / per_unit)
            .into_iter()
            .chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        self.0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(histogram.sum() as f64 / per_unit, counts.iter().sum(), &buckets, None)
    }
}
