//! `GET /metrics` in the text format of OpenMetrics, which Prometheus reads: the page, and what is counted at the edge.
//! What other rooms count is read at each scrape, by collectors.
//!
//! Every label has a small, fixed set of values: never a user, a conversation or an address, which are without number and
//! nobody's business. `docs/metrics.md` lists every metric.

use std::time::Duration;

use prometheus_client::{
    collector::Collector,
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

/// The content type of [`Page::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route under which requests are counted that no route is for.
pub const NO_ROUTE: &str = "none";

/// Everything that is shown.
pub struct Page(Registry);

impl Page {
    /// A page that tells the version alone.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("doorbell");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(version));
        Page(registry)
    }

    /// Adds what `collector` reads when the page is rendered.
    pub fn add(&mut self, collector: impl Collector) {
        self.0.register_collector(Box::new(collector));
    }

    /// Everything, as `/metrics` answers it.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = text::encode(&mut page, &self.0);
        page
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u32,
}

/// What became of a request whose session is on another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverOutcome {
    /// The owner answered.
    Answered,
    /// The client is joined to the owner by a WebSocket.
    Switched,
    /// No node of that name gives signs of life.
    UnknownNode,
    /// The owner takes no connection.
    Unreachable,
    /// The owner did not answer in time.
    Silent,
    /// The owner began an answer, or took the request, and went.
    Broken,
    /// It was not asked: too large, too many at once, or this node is draining.
    Refused,
}

impl HandoverOutcome {
    pub const ALL: [HandoverOutcome; 7] = [
        HandoverOutcome::Answered,
        HandoverOutcome::Switched,
        HandoverOutcome::UnknownNode,
        HandoverOutcome::Unreachable,
        HandoverOutcome::Silent,
        HandoverOutcome::Broken,
        HandoverOutcome::Refused,
    ];

    /// As metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            HandoverOutcome::Answered => "answered",
            HandoverOutcome::Switched => "switched",
            HandoverOutcome::UnknownNode => "unknown_node",
            HandoverOutcome::Unreachable => "unreachable",
            HandoverOutcome::Silent => "silent",
            HandoverOutcome::Broken => "broken",
            HandoverOutcome::Refused => "refused",
        }
    }
}

/// What an address had too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressLimit {
    Handshakes,
    /// Sign-ins that failed.
    Failures,
    /// Connections open at once.
    Connections,
}

impl AddressLimit {
    pub const ALL: [AddressLimit; 3] = [
        AddressLimit::Handshakes,
        AddressLimit::Failures,
        AddressLimit::Connections,
    ];

    /// As metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressLimit::Handshakes => "handshakes",
            AddressLimit::Failures => "failures",
            AddressLimit::Connections => "connections",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandedOver {
    outcome: &'static str,
}

/// What is counted at the edge. Counting is an atomic addition, so the struct is shared as it is.
pub struct Metrics {
    http_requests: Family<Answered, Counter>,
    http_request: Histogram,
    handed_over: Family<HandedOver, Counter>,
    address_limited: Family<Limited, Counter>,
    /// TLS handshakes that came to nothing.
    pub tls_failed: Counter,
    /// Requests and WebSockets of sessions on other nodes that are under way.
    pub handovers_open: Gauge,
    /// Events whose name no contract has.
    pub unknown_events: Counter,
}

impl Metrics {
    /// Counters that `page` shows.
    pub fn new(page: &mut Page) -> Self {
        let metrics = Metrics {
            http_requests: Family::default(),
            http_request: Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
            handed_over: Family::default(),
            address_limited: Family::default(),
            tls_failed: Counter::default(),
            handovers_open: Gauge::default(),
            unknown_events: Counter::default(),
        };
        let Page(registry) = page;
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            metrics.http_requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time to the beginning of an answer, without long polls",
            Unit::Seconds,
            metrics.http_request.clone(),
        );
        registry.register(
            "unknown_events",
            "Socket events whose name no contract has",
            metrics.unknown_events.clone(),
        );
        registry.register(
            "requests_handed_over",
            "Requests of sessions on other nodes, by what became of them",
            metrics.handed_over.clone(),
        );
        registry.register(
            "handovers_open",
            "Requests and WebSockets of sessions on other nodes that are under way",
            metrics.handovers_open.clone(),
        );
        registry.register(
            "address_limited",
            "Refusals of what one address had too much of, by kind",
            metrics.address_limited.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes that came to nothing",
            metrics.tls_failed.clone(),
        );
        for limit in AddressLimit::ALL {
            let labels = Limited { kind: limit.as_str() };
            drop(metrics.address_limited.get_or_create(&labels));
        }
        for outcome in HandoverOutcome::ALL {
            // From 0 on, so that the first one is a rise.
            let labels = HandedOver {
                outcome: outcome.as_str(),
            };
            drop(metrics.handed_over.get_or_create(&labels));
        }
        metrics
    }

    /// Counts a request whose session is on another node.
    pub fn handed_over(&self, outcome: HandoverOutcome) {
        let labels = HandedOver {
            outcome: outcome.as_str(),
        };
        self.handed_over.get_or_create(&labels).inc();
    }

    /// Counts a refusal of what one address had too much of.
    pub fn address_limited(&self, limit: AddressLimit) {
        let labels = Limited { kind: limit.as_str() };
        self.address_limited.get_or_create(&labels).inc();
    }

    /// `route` is the method and the pattern that matched (`GET /chat/{id}/messages`) or [`NO_ROUTE`], never the path:
    /// ids are without number.
    pub fn http_answered(&self, route: &str, status: u16) {
        let labels = Answered {
            route: route.to_owned(),
            status: status.into(),
        };
        self.http_requests.get_or_create(&labels).inc();
    }

    /// The time from a request's headers to the beginning of its answer. Long polls wait on purpose and do not count.
    pub fn http_took(&self, time: Duration) {
        self.http_request.observe(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_stands_on_the_page() {
        let mut page = Page::new();
        let metrics = Metrics::new(&mut page);
        metrics.http_answered("GET /chat/{id}/messages", 200);
        metrics.http_answered(NO_ROUTE, 404);
        metrics.http_answered(NO_ROUTE, 404);
        metrics.http_took(Duration::from_millis(3));
        let page = page.render();
        for line in [
            concat!("doorbell_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "doorbell_http_requests_total{route=\"GET /chat/{id}/messages\",status=\"200\"} 1",
            "doorbell_http_requests_total{route=\"none\",status=\"404\"} 2",
            "doorbell_http_request_seconds_count 1",
            "doorbell_http_request_seconds_bucket{le=\"0.002\"} 0",
            "doorbell_http_request_seconds_bucket{le=\"0.004\"} 1",
            "doorbell_unknown_events_total 0",
            "# EOF",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
        }
    }
}
