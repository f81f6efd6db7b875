//! One object of JSON on one line.

use std::fmt::Write;

pub struct Json(String);

impl Json {
    pub fn new() -> Self {
        Json("{".to_owned())
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        let _ = write!(self.0, "{value:?}");
        self
    }

    /// Whole numbers are written without a fraction, all others with three places.
    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        self.name(name);
        let _ = match value.fract() == 0.0 {
            true => write!(self.0, "{}", value as i64),
            false => write!(self.0, "{value:.3}"),
        };
        self
    }

    pub fn print(&self) {
        println!("{}}}", self.0);
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{name}\":");
    }
}
