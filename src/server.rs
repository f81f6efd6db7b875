//! Wiring and ordered shutdown.

mod files;
mod front;
mod identity;
mod listening;
mod nodes;
mod pages;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorbell_socketio::IdSuffix;
use http::{HeaderMap, StatusCode, Uri, header};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use self::{front::Front, listening::listeners, nodes::KnownNodes, pages::Pages};
use crate::{
    chat::{
        Chat, MediaPolicy, Policy,
        attachment::{LinkKey, Links},
        upload::{UploadLimits, Uploads},
    },
    config::{ConfigFault, DatabaseUrl, Directory, Secret, Settings},
    contracts::{
        self, media,
        rest::{self, Api},
        socket::{Sockets, close_ended},
        tus,
        wire::Wire,
    },
    demo::{self, SampleClock},
    fanout::{Bus, Farewell},
    model::{Clock, Error, NodeKey, Timestamp, clock::SystemClock, limits},
    observed::Observed,
    store::{
        Facts, Store,
        copy::{self, Copied},
        postgres::{self, PostgresStore},
        sqlite::{self, SqliteStore, Stats},
    },
    transport::{
        handover::{Handover, HandoverLimits},
        health,
        http::{Gate, HttpLimits, connections_that_fit, serve as serve_connections},
        limit::AddressLimits,
        metrics::{Metrics, NO_ROUTE, Page},
        origin::OriginPolicy,
        web::{self, Kind},
    },
};

pub use self::{identity::lone_authenticator, pages::Site};
pub use crate::store::copy::{Outcome as CopyOutcome, Progress as CopyProgress, Step as CopyStep};

/// Why the server could not start, or what stopped it: a sentence for the operator.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The name under which the secret that this installation made for itself is kept.
const KEPT_SECRET: &str = "jwt_secret";
/// The name under which the secret is kept that signs the links to files.
const LINK_SECRET: &str = "link_key";
/// Every REST route, described (OpenAPI 3.1).
const OPENAPI: &str = include_str!("../docs/openapi.json");
/// Batches of committed facts that may wait for their delivery; then the writer waits, too.
const FACT_BATCHES: usize = 256;

/// Serves until SIGTERM or SIGINT.
pub async fn serve(settings: Settings) -> Result<(), Fault> {
    let node = Node::start(
        settings,
        Arc::new(SystemClock),
        Site::Inbox,
        async |_| Ok(Router::new()),
    )
    .await?;
    node.run().await
}

/// Serves the sample marketplace.
pub async fn demo(settings: Settings) -> Result<(), Fault> {
    let clock = Arc::new(SampleClock::default());
    let sample_time = Arc::clone(&clock);
    let node = Node::start(settings, clock, Site::Marketplace, async move |api| {
        demo::fill(api, &sample_time).await?;
        Ok(demo::router(api))
    })
    .await?;
    let url = node.api.settings.base_url();
    println!("Doorbell's sample marketplace is at {url}. Open it in a browser; Ctrl-C ends it.");
    node.run().await
}

/// Brings the schema of the store up to date.
pub async fn migrate(settings: Settings) -> Result<(), Fault> {
    let migrated = match &settings.database {
        DatabaseUrl::Sqlite(path) => sqlite::migrate(path).map_err(wrong_database)?,
        DatabaseUrl::Postgres(url) => postgres::migrate(url.expose()).await.map_err(wrong_database)?,
    };
    let database = shown(&settings.database);
    match migrated.from == migrated.to {
        true => println!("{database} is at schema version {} already.", migrated.to),
        false => println!(
            "{database} went from schema version {} to {}.",
            migrated.from, migrated.to
        ),
    }
    Ok(())
}

/// Copies the configured SQLite database into an empty PostgreSQL database, or goes on with it.
pub async fn copy(settings: Settings, target: Secret, progress: &mut dyn CopyProgress) -> Result<Copied, Fault> {
    let DatabaseUrl::Sqlite(source) = &settings.database else {
        return Err(ConfigFault::new(format!(
            "The configured database is {}, but a copy is made from SQLite; name the file, as --database-url \
             sqlite://doorbell-data/doorbell.db.",
            shown(&settings.database)
        ))
        .into());
    };
    let run = random_text(16)?;
    let copied = copy::copy(source, target.expose(), run, progress).await;
    copied.map_err(|error| match error.is_refusal() {
        true => ConfigFault::new(format!("{error}.")).into(),
        false => format!("{error}.").into(),
    })
}

/// The secret that this installation made for itself and keeps in its database.
pub fn kept_secret(settings: &Settings) -> Result<Secret, Fault> {
    let database = shown(&settings.database);
    let no_secret = || {
        format!(
            "No secret is configured, and {database} keeps none yet; start the server once, or set DOORBELL_JWT_SECRET."
        )
    };
    let kept = match &settings.database {
        DatabaseUrl::Sqlite(path) => {
            match sqlite::read_setting(path, KEPT_SECRET) {
                Ok(kept) => kept,
                // Nobody started the server here yet: what the engine says of a missing file helps nobody.
                Err(_) if !path.exists() => None,
                Err(error) => {
                    return Err(ConfigFault::new(format!(
                        "No secret is configured, and {database} cannot be read ({error}); mend it, or set DOORBELL_JWT_SECRET."
                    ))
                    .into());
                }
            }
        }
        DatabaseUrl::Postgres(url) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let reading = postgres::read_setting(url.expose(), KEPT_SECRET);
            runtime.block_on(reading).map_err(wrong_database)?
        }
    };
    Ok(Secret::new(kept.ok_or_else(no_secret)?))
}

/// When all sessions of a user were ended last, read beside whoever uses the database; `None`: never.
pub async fn sessions_ended(settings: &Settings, user_id: &str) -> Result<Option<Timestamp>, Fault> {
    let read = match &settings.database {
        // Nobody started the server here yet.
        DatabaseUrl::Sqlite(path) if !path.exists() => Ok(None),
        DatabaseUrl::Sqlite(path) => sqlite::read_sessions_ended(path, user_id)
            .map_err(|error| format!("{} cannot be read ({error})", shown(&settings.database))),
        DatabaseUrl::Postgres(url) => postgres::read_sessions_ended(url.expose(), user_id)
            .await
            .map_err(|error| error.to_string()),
    };
    read.map_err(|why| format!("Whether the sign-in of {user_id} was ended cannot be looked up: {why}.").into())
}

/// The rules about pages where no server runs: its own pages are those of the address that it would be reached at.
pub fn lone_origins(settings: &Settings) -> OriginPolicy {
    OriginPolicy::new(settings.frontend_origins.clone(), Some(&settings.base_url()))
}

/// How the database is named to the operator.
fn shown(database: &DatabaseUrl) -> String {
    match database {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(_) => database.to_string(),
    }
}

/// Can this be read as the address of a database, by what connects to it? `name` is what its user calls it.
pub fn judge_database(database: &DatabaseUrl, name: &str) -> Result<(), ConfigFault> {
    let judged = match database {
        DatabaseUrl::Sqlite(_) => Ok(()),
        DatabaseUrl::Postgres(url) => postgres::judge_url(url.expose()),
    };
    judged.map_err(|error| ConfigFault::new(format!("{name} has a value that cannot be used: {error}.")))
}

/// A database that cannot be used at the start is a fault of the configuration.
fn wrong_database(error: impl std::fmt::Display) -> Fault {
    ConfigFault::new(format!("{error}.")).into()
}

/// So is one that was opened, and then cannot do what a start needs.
fn unusable(database: &DatabaseUrl, error: impl std::fmt::Display) -> Fault {
    wrong_database(format_args!(
        "{} cannot be used ({error}): mend that, and start again",
        shown(database)
    ))
}

/// The store, and what its writers can be watched by.
async fn open_store(
    database: &DatabaseUrl,
    clock: Arc<dyn Clock>,
    facts: Facts,
) -> Result<(Arc<dyn Store>, Arc<Stats>), Fault> {
    match database {
        DatabaseUrl::Sqlite(path) => {
            let store = SqliteStore::open(path, clock, facts, sqlite::Options::default()).map_err(wrong_database)?;
            let stats = Arc::clone(store.stats());
            Ok((Arc::new(store), stats))
        }
        DatabaseUrl::Postgres(url) => {
            let opened = PostgresStore::open(url.expose(), clock, facts, postgres::Options::default());
            let store = opened.await.map_err(wrong_database)?;
            let stats = Arc::clone(store.stats());
            Ok((Arc::new(store), stats))
        }
    }
}

/// The way to the other nodes. One that cannot be used at the start is a fault of the configuration; later it may come and
/// go.
async fn open_bus(settings: &Settings) -> Result<Bus, Fault> {
    let Some(redis) = &settings.redis else {
        return Ok(Bus::alone());
    };
    let opened = Bus::redis(redis.url.expose(), &redis.prefix).await;
    opened.map_err(|error| ConfigFault::new(format!("{error}.")).into())
}

type SocketServer = doorbell_socketio::Server<Sockets>;

/// One running node.
pub struct Node {
    pub api: Arc<Api>,
    page: Arc<Page>,
    store: Arc<dyn Store>,
    engine: SocketServer,
    drain: watch::Sender<bool>,
    connections: tokio::task::JoinHandle<()>,
}

impl Node {
    /// Opens the store, listens, and serves. `prepare` works before the first request and brings routes beside those
    /// of the contracts.
    pub async fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        site: Site,
        prepare: impl AsyncFnOnce(&Arc<Api>) -> Result<Router, Fault>,
    ) -> Result<Self, Fault> {
        let started_at = SystemClock.now();
        // From the first signal that is asked for, SIGHUP ends the process no longer, also while it starts. What there is to
        // look at then asks for it as well.
        let _hangups = signal(SignalKind::hangup())?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), database = %shown(&settings.database), "starting");
        let bus = open_bus(&settings).await?;
        let (facts, delivered) = mpsc::channel(FACT_BATCHES);
        let (store, stats) = open_store(&settings.database, Arc::clone(&clock), facts).await?;
        let database = settings.database.clone();
        let secret = secret(&settings, &*store).await?;

        let link_secret = store.keep_setting(LINK_SECRET, random_text(limits::SECRET_BYTES_MADE)?);
        let link_secret = link_secret.await.map_err(|error| unusable(&database, error))?;
        let links = Arc::new(Links::new(
            LinkKey::new(&link_secret),
            settings.base_url(),
            Arc::clone(&clock),
        ));
        let policy = Policy {
            open_directory: settings.directory == Directory::Open,
            group_max: settings.group_max,
            rates: settings.rates,
            sockets_per_user: settings.sockets_per_user,
            joined_conversations: settings.joined_conversations,
            recovery_window: settings.recovery_window,
            media: MediaPolicy {
                links: Arc::clone(&links),
                quota: settings.media_quota,
                hosts: settings.media_hosts.clone(),
            },
        };
        let wire = Wire {
            show_email: settings.show_email,
            links,
        };
        // Files that cannot be stored are a fault of the configuration, told before anybody is served.
        let (media_files, spool) = files::open(&settings).await?;
        // Before the node is known to others: they reach it from then on.
        let listeners = listeners(&settings).await?;
        let node = match store.enter_node(settings.node_url.clone()).await {
            Ok(node) => node,
            // A disk that is full still serves its readers; nobody's session is kept.
            Err(error) if !store.is_shared() => {
                tracing::warn!(%error, "this start cannot be noted in the database, so no client will be put back into its rooms");
                NodeKey(0)
            }
            Err(error) => return Err(unusable(&database, error)),
        };
        let chat = Chat::new(
            Arc::clone(&store),
            (node, bus),
            Arc::clone(&clock),
            Box::new(wire),
            policy,
        );
        chat.remember()
            .await
            .map_err(|error| unusable(&database, error.message))?;
        chat.start();
        tokio::spawn(Arc::clone(&chat).publish(delivered));

        let mut page = Page::new();
        let metrics = Arc::new(Metrics::new(&mut page));
        let mut connection_limit = connections_that_fit(limits::OPEN_CONNECTIONS);
        if settings.node_url.is_some() {
            // What is handed over needs a second connection, and a file for it.
            connection_limit = (connection_limit / 3 * 2).max(16);
        }
        let addresses = Arc::new(AddressLimits::new(
            settings.trusted_proxies.clone(),
            &settings.rates,
            // Never all of them, which is what a limit by address is for.
            settings
                .connections_per_address
                .map_or(usize::MAX, |most| most.min(connection_limit / 2)),
            Arc::clone(&metrics),
        ));
        let authenticator = identity::authenticator(&settings, [secret.clone()], Arc::clone(&addresses))?;
        let authenticator = Arc::new(authenticator);
        identity::keep_fresh(&authenticator, &settings)?;
        let origins = OriginPolicy::new(settings.frontend_origins.clone(), settings.public_url.as_deref());
        let origins = Arc::new(origins);
        let sockets = Arc::new(Sockets {
            chat: Arc::clone(&chat),
            authenticator: Arc::clone(&authenticator),
            addresses: Arc::clone(&addresses),
            origins: Arc::clone(&origins),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            fixed_contract: settings.contract,
            show_email: settings.show_email,
            endings: Default::default(),
        });
        tokio::spawn(close_ended(Arc::clone(&sockets)));
        let (drain, draining) = watch::channel(false);
        let (mut id_suffix, mut handover) = (IdSuffix::default(), None);
        if let Some(url) = &settings.node_url {
            tracing::info!(%node, %url, "one of several nodes");
            tokio::spawn(nodes::warn_of_a_twin(Arc::clone(&store), node, url.clone()));
            id_suffix = IdSuffix::new(&node.to_string())?;
            let handover_limits = HandoverLimits {
                at_once: connection_limit / 2,
                ..Default::default()
            };
            handover = Some(Arc::new(Handover::new(
                Arc::new(KnownNodes::new(Arc::clone(&store))),
                nodes::cluster_key(&*store).await?,
                handover_limits,
                Arc::clone(&metrics),
                draining.clone(),
            )));
        }
        let engine = doorbell_socketio::Server::new(engine_config(id_suffix), sockets);
        let upload_name = settings.node_url.as_deref().map(nodes::upload_name);
        let uploads = Uploads::new(
            Arc::clone(&chat),
            media_files,
            spool,
            UploadLimits {
                image: settings.max_image,
                video: settings.max_video,
            },
            upload_name.clone(),
        );
        tokio::spawn(Arc::clone(&uploads).keep_swept());
        let api = Arc::new(Api {
            chat,
            uploads,
            authenticator,
            origins,
            addresses: Arc::clone(&addresses),
            clock,
            metrics,
            settings,
            secret,
        });
        page.add(Observed {
            chat: Arc::clone(&api.chat),
            uploads: Arc::clone(&api.uploads),
            stats,
            engine: engine.clone(),
            started_at,
        });
        let page = Arc::new(page);
        let pages = Pages::new(site, api.settings.can_sign_in(), &api.settings.base_url());
        let router = router(&api, &page, pages, draining.clone()).merge(prepare(&api).await?);
        let router = refuse_other_methods(router, Arc::clone(&api.metrics));
        let service = Front {
            router,
            engine: engine.clone(),
            origins: Arc::clone(&api.origins),
            addresses: Arc::clone(&addresses),
            handover,
            upload_name,
        };
        let limits = HttpLimits {
            open_connections: connection_limit,
            ..Default::default()
        };
        let connections = tokio::spawn(serve_connections(
            listeners,
            move |request, peer| service.clone().answer(request, peer),
            limits,
            Gate {
                addresses,
                metrics: Arc::clone(&api.metrics),
            },
            draining,
        ));
        for address in api.settings.listen.iter().chain(&api.settings.node_listen) {
            tracing::info!(%address, "listening");
        }
        Ok(Node {
            api,
            page,
            store,
            engine,
            drain,
            connections,
        })
    }

    /// All metrics, as `/metrics` answers them.
    pub fn metrics(&self) -> String {
        self.page.render()
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    pub async fn run(self) -> Result<(), Fault> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        let drained = tokio::time::timeout(limits::DRAIN_TIME - Duration::from_secs(1), self.drain()).await;
        if drained.is_err() {
            tracing::warn!("some requests were still under way after the time for draining");
        }
        tracing::info!("stopped");
        Ok(())
    }

    /// New connections are refused, what is under way is answered, transports are closed, what is queued is stored.
    async fn drain(self) {
        let hub = self.api.chat.hub();
        if !hub.is_empty() {
            // While connections are still taken: who polls comes by a new one for what it is told.
            hub.each(|socket| socket.announce(Farewell::ShuttingDown));
            tokio::time::sleep(limits::FAREWELL_TIME).await;
        }
        let _ = self.drain.send(true);
        self.engine.close_all();
        self.api.chat.let_go();
        while self.engine.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let _ = self.connections.await;
        self.store.close().await;
        self.api.chat.bus().close().await;
    }
}

fn engine_config(id_suffix: IdSuffix) -> doorbell_socketio::Config {
    doorbell_socketio::Config {
        ping_interval: limits::PING_INTERVAL,
        ping_timeout: limits::PING_TIMEOUT,
        connect_timeout: limits::CONNECT_TIME,
        max_payload: limits::PACKET_BYTES,
        max_attachments: limits::PACKET_ATTACHMENTS,
        push_queue_bytes: limits::WAITING_PUSH_BYTES,
        push_queue_age: limits::WAITING_PUSH_TIME,
        body_timeout: limits::BODY_TIME,
        farewell_time: limits::FAREWELL_TIME,
        max_pending_turns: limits::EVENTS_UNDER_WAY,
        id_suffix,
        ..Default::default()
    }
}

fn random_text(bytes: usize) -> Result<String, Fault> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| format!("The system gives no random numbers: {error}."))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// The configured secret, else the one that this installation makes for itself once and keeps.
async fn secret(settings: &Settings, store: &dyn Store) -> Result<Secret, Fault> {
    if let Some(secret) = &settings.jwt.secret {
        return Ok(secret.clone());
    }
    let made = random_text(limits::SECRET_BYTES_MADE)?;
    let kept = store.keep_setting(KEPT_SECRET, made.clone()).await;
    let kept = kept.map_err(|error| unusable(&settings.database, error))?;
    let origin = if kept == made { "made" } else { "kept" };
    tracing::info!(
        database = %shown(&settings.database),
        "DOORBELL_JWT_SECRET is not set: tokens are signed with a secret that was {origin} in the database"
    );
    Ok(Secret::new(kept))
}

/// Everything but Socket.IO.
fn router(api: &Arc<Api>, page: &Arc<Page>, pages: Pages, draining: watch::Receiver<bool>) -> Router {
    let (for_ready, for_metrics, metrics) = (Arc::clone(api), Arc::clone(page), Arc::clone(&api.metrics));
    let operators = Router::new()
        .route("/healthz", get(|| async { health::healthz() }))
        .route(
            "/readyz",
            get(move || async move {
                let bus = for_ready.chat.bus();
                let is_linked = (!bus.is_alone()).then(|| *bus.linked().borrow());
                if *draining.borrow() {
                    return health::readyz(Some("This server is shutting down."), is_linked);
                }
                let fault = for_ready.chat.check().await.err();
                let fault = fault.map(|error| format!("Nothing can be stored: {error}."));
                health::readyz(fault.as_deref(), is_linked)
            }),
        )
        .route(
            "/openapi.json",
            get(|headers: HeaderMap| async move { web::file(&headers, Kind::Json, OPENAPI) }),
        )
        .route(
            "/metrics",
            get(move |headers: HeaderMap| async move {
                let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
                health::metrics(for_metrics.render(), accept)
            }),
        );
    rest::router(Arc::clone(api), contracts::routes())
        .merge(media::router(Arc::clone(api)))
        .merge(tus::router(api))
        .merge(operators)
        .merge(pages.router())
        .fallback(move |request: Request| async move {
            if let Some(answer) = pages.answer(&request) {
                return answer;
            }
            let response = rest::error_response(&Error::not_found("route"));
            metrics.http_answered(NO_ROUTE, response.status().as_u16());
            response
        })
}

/// A method that a route does not have is refused in JSON like everything else; the router itself adds `Allow`. Holds for
/// the routes that are there already, so it comes last.
fn refuse_other_methods(router: Router, metrics: Arc<Metrics>) -> Router {
    router.method_not_allowed_fallback(move |uri: Uri| async move {
        let mut response = rest::error_response(&Error::invalid("This route does not take this method."));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        tus::name_version(uri.path(), response.headers_mut());
        metrics.http_answered(NO_ROUTE, response.status().as_u16());
        response
    })
}
