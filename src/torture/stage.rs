//! What a run takes place on: databases, nodes and proxies, in a folder of its own.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    databases::{Postgres, PostgresPrograms, Redis},
    disk::SmallDisk,
    kinds::{Kind, Setup},
    nodes::{Common, Node},
    plan::Wishes,
    process::{found, free_port},
    proxy::Proxy,
};

/// Bytes that a message takes on the small disk, at most: its row, its indexes, its share of the log.
const BYTES_A_MESSAGE: u64 = 4_000;
const BYTES_AT_LEAST: u64 = 16 << 20;

/// In the order in which it is taken down.
pub struct Stage {
    /// Between clients and nodes.
    pub clients: Arc<Proxy>,
    pub nodes: Vec<Node>,
    /// Between each node and PostgreSQL.
    pub database_links: Vec<Proxy>,
    pub bus_links: Vec<Proxy>,
    pub postgres: Option<Postgres>,
    pub redis: Option<Redis>,
    pub disk: Option<SmallDisk>,
    pub api_key: String,
    pub jwt_secret: String,
    /// Kinds that this machine does not let a run inject, and why.
    pub impossible: BTreeMap<Kind, String>,
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The library of the newest libfaketime that is installed.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let places = folders.chain([
        PathBuf::from("/usr/lib"),
        PathBuf::from("/usr/lib64"),
        PathBuf::from("/usr/local/lib"),
    ]);
    places
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
}

fn secret() -> Result<String, String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| format!("There are no random numbers: {error}."))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Stage {
    /// Starts everything. `said` hears what is under way.
    ///
    /// # Errors
    ///
    /// What could not be started, in a sentence.
    pub async fn set(
        wishes: &Wishes,
        more: &[(String, String)],
        folder: &Path,
        said: impl Fn(&str),
    ) -> Result<Stage, String> {
        let words = |error: std::io::Error| format!("The run's folder or ports cannot be used: {error}.");
        let executable =
            std::env::current_exe().map_err(|error| format!("This program does not find itself: {error}."))?;
        let mut impossible = BTreeMap::new();
        let wants_clock = wishes.kinds.contains(&Kind::ClockJump);
        let faketime = if wants_clock { faketime() } else { None };
        if wants_clock && faketime.is_none() {
            impossible.insert(Kind::ClockJump, "libfaketime is not installed".to_owned());
        }
        let common = Common {
            executable,
            folder: folder.to_owned(),
            jwt_secret: secret()?,
            api_key: secret()?,
            faketime,
        };
        let postgres = if wishes.setup.has_postgres() {
            said("PostgreSQL is being set up");
            Some(Postgres::start(PostgresPrograms::find(is_root())?, folder).await?)
        } else {
            None
        };
        let redis = if wishes.setup.has_redis() {
            said("Redis is being set up");
            Some(Redis::start(Redis::program()?, folder, secret()?).await?)
        } else {
            None
        };
        let (mut nodes, mut database_links, mut bus_links) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..wishes.setup.nodes() {
            let port = free_port().map_err(words)?;
            let mut settings: BTreeMap<String, OsString> =
                more.iter().map(|(name, value)| (name.clone(), value.into())).collect();
            if let Some(postgres) = &postgres {
                let link = Proxy::start(vec![local(postgres.port)]).await.map_err(words)?;
                let url = format!("postgres://doorbell@127.0.0.1:{}/postgres", link.address.port());
                settings.insert("DOORBELL_DATABASE_URL".to_owned(), url.into());
                database_links.push(link);
            }
            if let Some(redis) = &redis {
                let link = Proxy::before_redis(local(redis.port)).await.map_err(words)?;
                settings.insert("DOORBELL_REDIS_URL".to_owned(), redis.url(link.address.port()).into());
                settings.insert(
                    "DOORBELL_NODE_URL".to_owned(),
                    format!("http://127.0.0.1:{port}").into(),
                );
                let media = format!("file://{}", folder.join("media").display());
                settings.insert("DOORBELL_MEDIA_URL".to_owned(), media.into());
                settings.insert("DOORBELL_MEDIA_SHARED".to_owned(), "on".into());
                bus_links.push(link);
            }
            // One clock of several is enough to be wrong.
            let mut own = common.clone();
            if number > 0 {
                own.faketime = None;
            }
            nodes.push(Node::new(&own, number, port, settings).map_err(words)?);
        }
        let mut disk = None;
        if wishes.setup == Setup::Sqlite && wishes.kinds.contains(&Kind::DiskFull) {
            let messages = u64::from(wishes.rate) * wishes.length_ms / 1_000;
            match SmallDisk::mount(&nodes[0].data_folder(), BYTES_AT_LEAST + messages * BYTES_A_MESSAGE) {
                Ok(mounted) => disk = Some(mounted),
                Err(why) => {
                    impossible.insert(Kind::DiskFull, why);
                }
            }
        }
        let addresses = nodes.iter().map(|node| node.address).collect();
        let clients = Arc::new(Proxy::start(addresses).await.map_err(words)?);
        for node in &nodes {
            said(&format!("node {} starts", node.number));
            node.start()
                .await
                .map_err(|why| format!("Node {} cannot be started. {why}", node.number))?;
        }
        Ok(Stage {
            clients,
            nodes,
            database_links,
            bus_links,
            postgres,
            redis,
            disk,
            api_key: common.api_key,
            jwt_secret: common.jwt_secret,
            impossible,
        })
    }

    /// What could not be started at all on this machine, before anything is.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing.
    pub fn is_possible(setup: Setup) -> Result<(), String> {
        if setup.has_postgres() {
            PostgresPrograms::find(is_root())?;
        }
        if setup.has_redis() {
            Redis::program()?;
        }
        Ok(())
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The private view of what is mounted, so that a tmpfs of a run goes with the run, however it ends.
pub fn unshare() -> Option<PathBuf> {
    if !is_root() {
        return None;
    }
    let unshare = found("unshare")?;
    let works = std::process::Command::new(&unshare)
        .args(["--mount", "--propagation", "private", "true"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    works.is_ok_and(|status| status.success()).then_some(unshare)
}
