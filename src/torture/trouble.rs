//! Injecting faults, each from its beginning to its end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use rustix::process::Signal;
use tokio::sync::mpsc;

use super::{
    device::Command,
    kinds::Kind,
    ledger::{Ledger, Record},
    plan::Fault,
    proxy::{Ending, Proxy, Struck, Weather},
    rest::Rest,
    stage::Stage,
    wire::Room,
};
use crate::torture::plan::Speaks;

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// libfaketime looks at its file once a second.
const CLOCK_LOOK: Duration = Duration::from_millis(1_500);

pub struct Trouble {
    pub stage: Arc<Stage>,
    pub ledger: Arc<Ledger>,
    pub devices: Vec<mpsc::Sender<Command>>,
    /// Somebody who reads while the disk is full, and what.
    pub reader: (String, Room),
}

impl Trouble {
    /// Injects a fault and heals it.
    pub async fn inject(&self, number: usize, fault: &Fault) {
        let kind = fault.kind.name().to_owned();
        if let Some(why) = self.stage.impossible.get(&fault.kind) {
            let why = why.clone();
            return self.ledger.write(Record::NotRun { kind, why });
        }
        self.ledger.write(Record::Fault {
            kind: kind.clone(),
            number,
            healed: false,
        });
        if let Err(why) = self.run(fault).await {
            self.ledger.write(Record::NotRun {
                kind: kind.clone(),
                why,
            });
        }
        self.ledger.write(Record::Fault {
            kind,
            number,
            healed: true,
        });
    }

    async fn run(&self, fault: &Fault) -> Result<(), String> {
        let hold = Duration::from_millis(fault.for_ms);
        match fault.kind {
            Kind::NodeKill | Kind::NodeTerminate | Kind::NodeStop | Kind::ClockJump | Kind::DiskFull => {
                self.node(fault, hold).await
            }
            Kind::PostgresRestart | Kind::PostgresStop | Kind::PostgresBackends => self.postgres(fault, hold).await,
            Kind::RedisKill | Kind::RedisStop | Kind::RedisFlush => self.redis(fault, hold).await,
            Kind::DatabaseCut | Kind::DatabaseStall | Kind::DatabaseSlow => {
                strike(&self.stage.database_links, fault, hold).await;
                Ok(())
            }
            Kind::BusCut | Kind::BusStall | Kind::BusFrames => {
                strike(&self.stage.bus_links, fault, hold).await;
                Ok(())
            }
            Kind::ClientCut
            | Kind::ClientReset
            | Kind::ClientHalf
            | Kind::ClientStall
            | Kind::ClientSlow
            | Kind::ClientSlice
            | Kind::ClientReplay => {
                self.clients(fault, hold).await;
                Ok(())
            }
        }
    }

    async fn node(&self, fault: &Fault, hold: Duration) -> Result<(), String> {
        let node = self.stage.nodes.get(fault.node).ok_or("there is no such node")?;
        match fault.kind {
            Kind::NodeStop => {
                node.signal(Signal::STOP).await;
                tokio::time::sleep(hold).await;
                node.signal(Signal::CONT).await;
                return Ok(());
            }
            Kind::ClockJump => return self.clock(fault, hold).await,
            Kind::DiskFull => return self.full_disk(hold).await,
            Kind::NodeTerminate => {
                let (took, code) = node.terminate().await;
                self.ledger.write(Record::NodeEnded {
                    node: node.number,
                    milliseconds: milliseconds(took),
                    code,
                });
            }
            _ => node.kill().await,
        }
        tokio::time::sleep(hold).await;
        match node.start().await {
            Ok(took) => self.ledger.write(Record::NodeStarted {
                node: node.number,
                milliseconds: milliseconds(took),
            }),
            Err(why) => self.ledger.write(Record::NodeLost { node: node.number, why }),
        }
        Ok(())
    }

    async fn clock(&self, fault: &Fault, hold: Duration) -> Result<(), String> {
        // The one whose clock can be set.
        let node = self.stage.nodes.first().ok_or("there is no such node")?;
        let words = |error: std::io::Error| error.to_string();
        let is_forward = fault.twist.is_multiple_of(2);
        node.set_clock(if is_forward { DAY_SECONDS } else { -DAY_SECONDS })
            .map_err(words)?;
        tokio::time::sleep(hold.max(CLOCK_LOOK)).await;
        let shown = node.host().get("/healthz").await.ok().and_then(|answer| answer.date);
        node.set_clock(0).map_err(words)?;
        tokio::time::sleep(CLOCK_LOOK).await;
        // Backwards, the server's header stands still and shows nothing; so does a node that does not answer.
        let today = jiff::Timestamp::now().strftime("%a, %d %b %Y").to_string();
        match shown {
            Some(shown) if is_forward && shown.starts_with(&today) => {
                Err("libfaketime has no effect on this executable, which may be linked statically".to_owned())
            }
            _ => Ok(()),
        }
    }

    async fn full_disk(&self, hold: Duration) -> Result<(), String> {
        let (Some(disk), Some(node)) = (&self.stage.disk, self.stage.nodes.first()) else {
            return Err("there is no small disk".to_owned());
        };
        let (token, room) = &self.reader;
        let reader = Rest {
            address: node.address,
            credential: super::rest::Credential::Token(token.clone()),
        };
        let path = Speaks::Conversations.history_path(&room.id, 0, 50);
        disk.fill().map_err(|error| error.to_string())?;
        let end = tokio::time::Instant::now() + hold;
        while tokio::time::Instant::now() < end {
            // No answer at all is another fault's at the same time: the node stands still or is being started.
            if let Ok(answer) = reader.get(&path).await {
                self.ledger.write(Record::ReadDuringFullDisk { status: answer.status });
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        disk.empty().map_err(|error| error.to_string())
    }

    async fn postgres(&self, fault: &Fault, hold: Duration) -> Result<(), String> {
        let postgres = self.stage.postgres.as_ref().ok_or("there is no PostgreSQL")?;
        match fault.kind {
            Kind::PostgresBackends => {
                postgres.terminate_connections().await;
                Ok(())
            }
            Kind::PostgresStop => {
                postgres.signal(Signal::STOP).await;
                tokio::time::sleep(hold).await;
                postgres.signal(Signal::CONT).await;
                Ok(())
            }
            _ => {
                postgres.end_at_once().await;
                tokio::time::sleep(hold).await;
                postgres.restart().await
            }
        }
    }

    async fn redis(&self, fault: &Fault, hold: Duration) -> Result<(), String> {
        let redis = self.stage.redis.as_ref().ok_or("there is no Redis")?;
        match fault.kind {
            Kind::RedisFlush => redis.flush().await.map_err(|error| error.to_string()),
            Kind::RedisStop => {
                redis.signal(Signal::STOP).await;
                tokio::time::sleep(hold).await;
                redis.signal(Signal::CONT).await;
                Ok(())
            }
            _ => {
                redis.kill().await;
                tokio::time::sleep(hold).await;
                redis.go().await
            }
        }
    }

    async fn clients(&self, fault: &Fault, hold: Duration) {
        let proxy = &self.stage.clients;
        let struck = if fault.devices.len() == self.devices.len() {
            // REST calls, too, which belong to no device's connection.
            Struck::All
        } else {
            Struck::Labelled(fault.devices.iter().copied().collect::<HashSet<_>>())
        };
        let ending = match fault.kind {
            Kind::ClientCut => Some(Ending::Close),
            Kind::ClientReset | Kind::ClientReplay => Some(Ending::Reset),
            Kind::ClientHalf => Some(Ending::Half),
            _ => None,
        };
        if let Some(ending) = ending {
            proxy.end(&struck, ending);
        } else {
            proxy.set(struck, weather(fault));
            tokio::time::sleep(hold).await;
            proxy.heal();
        }
        if fault.kind == Kind::ClientReplay {
            for device in fault.devices.iter().filter_map(|device| self.devices.get(*device)) {
                // Fails when that client is gone, which is told elsewhere.
                let _ = device.try_send(Command::Replay);
            }
        }
    }
}

/// Links between nodes and what they need, all of them.
async fn strike(links: &[Proxy], fault: &Fault, hold: Duration) {
    if matches!(fault.kind, Kind::DatabaseCut | Kind::BusCut) {
        for link in links {
            link.end(&Struck::All, Ending::Reset);
        }
        return;
    }
    for link in links {
        link.set(Struck::All, weather(fault));
    }
    tokio::time::sleep(hold).await;
    for link in links {
        link.heal();
    }
}

fn weather(fault: &Fault) -> Weather {
    let calm = Weather::default();
    match fault.kind {
        Kind::ClientStall | Kind::DatabaseStall | Kind::BusStall => Weather {
            is_stalled: true,
            ..calm
        },
        Kind::ClientSlow => Weather {
            delay_ms: 50 + u64::from(fault.twist % 400),
            bytes_per_second: 10_000 + u64::from(fault.twist % 50_000),
            ..calm
        },
        Kind::ClientSlice => Weather {
            slice: 1 + (fault.twist % 7) as usize,
            ..calm
        },
        Kind::DatabaseSlow => Weather {
            delay_ms: 1 + u64::from(fault.twist % 30),
            ..calm
        },
        Kind::BusFrames => Weather {
            dropped_percent: 30,
            doubled_percent: 30,
            ..calm
        },
        _ => calm,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
