//! What the server counts, for `GET /metrics` in the text format of OpenMetrics, which Prometheus reads.
//!
//! Every label has a small, fixed set of values: never a user, a conversation or an address, which are without number and
//! nobody's business.

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::model::ContractName;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How the packets of a connection travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Websocket,
    Polling,
}

/// Which way a packet goes, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

/// What was too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKind {
    Sends,
    Uploads,
    Conversations,
    Connections,
    Requests,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct One {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Coded {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Contracted {
    contract: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u32,
}

/// All metrics. Counting is an atomic addition, so the struct is shared as it is.
pub struct Metrics {
    registry: Registry,
    connections_open: [Gauge; 2],
    connections_opened: [Counter; 2],
    /// Sockets closed because they did not take their pushes.
    pub slow_consumers_closed: Counter,
    packets: [Counter; 2],
    /// Messages stored, each once.
    pub sends_stored: Counter,
    /// Sends that were there already.
    pub sends_repeated: Counter,
    sends_refused: Family<Coded, Counter>,
    deliveries: [Counter; 5],
    /// Writes of one transaction.
    pub writer_batch_size: Histogram,
    /// From the beginning of a transaction to its end on disk.
    pub commit_seconds: Histogram,
    /// Writes that wait for the writer.
    pub writer_queue_depth: Gauge,
    http_requests: Family<Answered, Counter>,
    /// From a request's headers to the beginning of its answer; long polls wait on purpose and are not in it.
    pub http_request_seconds: Histogram,
    rate_limited: [Counter; 5],
    /// Events whose name no contract has.
    pub unknown_events: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("doorbell");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(version));
        let of = |family: &Family<One, Counter>, kinds: &[&'static str]| -> Vec<Counter> {
            kinds
                .iter()
                .map(|kind| family.get_or_create_owned(&One { kind }))
                .collect()
        };

        let open = Family::<One, Gauge>::default();
        registry.register("connections_open", "Socket connections that are open", open.clone());
        let opened = Family::<One, Counter>::default();
        registry.register(
            "connections_opened",
            "Socket connections that were opened",
            opened.clone(),
        );
        let carriers = ["websocket", "polling"];
        let slow_consumers_closed = Counter::default();
        registry.register(
            "slow_consumers_closed",
            "Sockets closed because they did not take their pushes",
            slow_consumers_closed.clone(),
        );
        let packets = Family::<One, Counter>::default();
        registry.register("packets", "Socket.IO packets, in and out", packets.clone());

        let sends_stored = Counter::default();
        registry.register("sends_stored", "Messages stored", sends_stored.clone());
        let sends_repeated = Counter::default();
        registry.register(
            "sends_repeated",
            "Sends that were stored already",
            sends_repeated.clone(),
        );
        let sends_refused = Family::<Coded, Counter>::default();
        registry.register("sends_refused", "Sends refused, by error code", sends_refused.clone());
        let delivered = Family::<Contracted, Counter>::default();
        registry.register(
            "deliveries",
            "Messages pushed to sockets, by contract",
            delivered.clone(),
        );
        let deliveries = ContractName::ALL.map(|contract| {
            delivered.get_or_create_owned(&Contracted {
                contract: contract.as_str(),
            })
        });

        let writer_batch_size = Histogram::new(exponential_buckets(1.0, 2.0, 10));
        registry.register(
            "writer_batch_size",
            "Writes of one transaction",
            writer_batch_size.clone(),
        );
        let commit_seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 14));
        registry.register_with_unit(
            "commit",
            "Duration of a transaction, with its flush to disk",
            Unit::Seconds,
            commit_seconds.clone(),
        );
        let writer_queue_depth = Gauge::default();
        registry.register(
            "writer_queue_depth",
            "Writes that wait for the writer",
            writer_queue_depth.clone(),
        );

        let http_requests = Family::<Answered, Counter>::default();
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            http_requests.clone(),
        );
        let http_request_seconds = Histogram::new(exponential_buckets(0.000_5, 2.0, 14));
        registry.register_with_unit(
            "http_request",
            "Time to the beginning of an answer, without long polls",
            Unit::Seconds,
            http_request_seconds.clone(),
        );
        let limited = Family::<One, Counter>::default();
        registry.register("rate_limited", "Refusals of what came too fast", limited.clone());
        let unknown_events = Counter::default();
        registry.register(
            "unknown_events",
            "Events whose name no contract has",
            unknown_events.clone(),
        );

        let limited = of(
            &limited,
            &["sends", "uploads", "conversations", "connections", "requests"],
        );
        let opened = of(&opened, &carriers);
        let packets = of(&packets, &["in", "out"]);
        Metrics {
            registry,
            connections_open: carriers.map(|kind| open.get_or_create_owned(&One { kind })),
            connections_opened: std::array::from_fn(|n| opened[n].clone()),
            slow_consumers_closed,
            packets: std::array::from_fn(|n| packets[n].clone()),
            sends_stored,
            sends_repeated,
            sends_refused,
            deliveries,
            writer_batch_size,
            commit_seconds,
            writer_queue_depth,
            http_requests,
            http_request_seconds,
            rate_limited: std::array::from_fn(|n| limited[n].clone()),
            unknown_events,
        }
    }

    /// Everything, as `/metrics` answers it.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    pub fn connection_opened(&self, carrier: Carrier) {
        self.connections_open[carrier as usize].inc();
        self.connections_opened[carrier as usize].inc();
    }

    /// A polling connection became a WebSocket: one fewer of those, one more of these.
    pub fn connection_upgraded(&self) {
        self.connections_open[Carrier::Polling as usize].dec();
        self.connections_open[Carrier::Websocket as usize].inc();
    }

    pub fn connection_closed(&self, carrier: Carrier) {
        self.connections_open[carrier as usize].dec();
    }

    pub fn packets(&self, direction: Direction, count: u64) {
        self.packets[direction as usize].inc_by(count);
    }

    /// `code` as the contracts name it, `RATE_LIMITED` for example.
    pub fn send_refused(&self, code: &'static str) {
        self.sends_refused.get_or_create(&Coded { code }).inc();
    }

    /// `count` sockets of `contract` were handed one message.
    pub fn delivered(&self, contract: ContractName, count: u64) {
        self.deliveries[contract as usize].inc_by(count);
    }

    /// `route` is the pattern that matched (`/chat/{id}/messages`), never the path: ids are without number.
    pub fn http_answered(&self, route: &str, status: u16) {
        let labels = Answered {
            route: route.to_owned(),
            status: status.into(),
        };
        self.http_requests.get_or_create(&labels).inc();
    }

    pub fn rate_limited(&self, kind: RateKind) {
        self.rate_limited[kind as usize].inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_stands_on_the_page() {
        let metrics = Metrics::new();
        metrics.connection_opened(Carrier::Polling);
        metrics.connection_upgraded();
        metrics.packets(Direction::Out, 7);
        metrics.sends_stored.inc();
        metrics.send_refused("RATE_LIMITED");
        metrics.delivered(ContractName::TenantChat, 3);
        metrics.http_answered("/chat/{id}/messages", 200);
        metrics.rate_limited(RateKind::Requests);
        metrics.commit_seconds.observe(0.003);
        metrics.writer_batch_size.observe(12.0);
        metrics.writer_queue_depth.set(4);
        let page = metrics.render();
        for line in [
            "doorbell_connections_open{kind=\"websocket\"} 1",
            "doorbell_connections_open{kind=\"polling\"} 0",
            "doorbell_connections_opened_total{kind=\"polling\"} 1",
            "doorbell_packets_total{kind=\"out\"} 7",
            "doorbell_sends_stored_total 1",
            "doorbell_sends_refused_total{code=\"RATE_LIMITED\"} 1",
            "doorbell_deliveries_total{contract=\"tenant-chat\"} 3",
            "doorbell_deliveries_total{contract=\"conversations\"} 0",
            "doorbell_http_requests_total{route=\"/chat/{id}/messages\",status=\"200\"} 1",
            "doorbell_rate_limited_total{kind=\"requests\"} 1",
            "doorbell_commit_seconds_count 1",
            "doorbell_writer_batch_size_sum 12.0",
            "doorbell_writer_queue_depth 4",
            "doorbell_unknown_events_total 0",
            "# EOF",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn the_labels_of_a_contract_are_its_own() {
        let metrics = Metrics::new();
        for contract in ContractName::ALL {
            metrics.delivered(contract, contract as u64 + 1);
        }
        let page = metrics.render();
        for contract in ContractName::ALL {
            let line = format!(
                "doorbell_deliveries_total{{contract=\"{contract}\"}} {}",
                contract as u64 + 1
            );
            assert!(page.contains(&line), "{line}");
        }
    }
}
