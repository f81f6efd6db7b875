//! What a run with traffic has counted, and the line that it ends in.

use hdrhistogram::Histogram;

use crate::json::Json;

/// Microseconds, up to ten minutes.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("good bounds")
}

/// One message of the run.
pub struct Message {
    pub is_acked: bool,
    pub deliveries: u32,
}

pub struct Counts {
    /// Of the part after the warm-up.
    pub ack_times: Histogram<u64>,
    pub delivery_times: Histogram<u64>,
    pub sends: u64,
    pub acks: u64,
    pub deliveries: u64,
    /// Of the whole run.
    pub refused: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub closed: u64,
    pub all_deliveries: u64,
}

impl Counts {
    pub fn new() -> Self {
        Counts {
            ack_times: histogram(),
            delivery_times: histogram(),
            sends: 0,
            acks: 0,
            deliveries: 0,
            refused: 0,
            duplicates: 0,
            reordered: 0,
            closed: 0,
            all_deliveries: 0,
        }
    }

    /// Percentiles of acknowledgements (`ack_`) and deliveries (`dlv_`).
    pub fn write_times(&self, json: &mut Json) {
        let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
        for (what, times) in [("ack", &self.ack_times), ("dlv", &self.delivery_times)] {
            for (name, quantile) in quantiles {
                let milliseconds = times.value_at_quantile(quantile) as f64 / 1000.0;
                json.number(&format!("{what}_{name}_ms"), milliseconds);
            }
        }
    }
}
