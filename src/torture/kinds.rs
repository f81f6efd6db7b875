//! The kinds of faults: what each is called, where it strikes, and for how long.

use std::fmt;

/// What a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// One node on SQLite.
    Sqlite,
    /// One node on PostgreSQL.
    Postgres,
    /// Two nodes, PostgreSQL and Redis.
    Cluster,
}

impl Setup {
    pub const ALL: [Setup; 3] = [Setup::Sqlite, Setup::Postgres, Setup::Cluster];

    pub fn name(self) -> &'static str {
        match self {
            Setup::Sqlite => "sqlite",
            Setup::Postgres => "postgres",
            Setup::Cluster => "cluster",
        }
    }

    pub fn nodes(self) -> usize {
        if self == Setup::Cluster { 2 } else { 1 }
    }

    pub fn has_postgres(self) -> bool {
        self != Setup::Sqlite
    }

    pub fn has_redis(self) -> bool {
        self == Setup::Cluster
    }
}

/// What two faults must not strike at once: one would undo the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Node(usize),
    Clock,
    Postgres,
    Redis,
    DatabaseLink,
    BusLink,
    /// How fast bytes go between clients and nodes.
    ClientLinks,
    /// A cut is over as soon as it is done.
    Moment,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $meaning:literal)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// In the order in which they are shown.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$kind => $meaning),* }
            }
        }
    };
}

kinds! {
    NodeKill "node-kill" "a node gets SIGKILL and is started again"
    NodeTerminate "node-terminate" "a node gets SIGTERM, ends gently and is started again"
    NodeStop "node-stop" "a node stands still (SIGSTOP) for 1 to 20 s"
    ClockJump "clock-jump" "a node's clock is a day early or late (libfaketime)"
    DiskFull "disk-full" "the file system of SQLite is full (a small tmpfs)"
    PostgresRestart "postgres-restart" "PostgreSQL ends at once, without a checkpoint, and is started again"
    PostgresStop "postgres-stop" "PostgreSQL stands still, all its processes"
    PostgresBackends "postgres-backends" "PostgreSQL's connections are terminated"
    RedisKill "redis-kill" "Redis gets SIGKILL and is started again, empty"
    RedisStop "redis-stop" "Redis stands still"
    RedisFlush "redis-flush" "Redis loses all keys (FLUSHALL)"
    ClientCut "client-cut" "clients' connections are closed"
    ClientReset "client-reset" "clients' connections are reset"
    ClientHalf "client-half" "clients' connections end in the middle of what they carry"
    ClientStall "client-stall" "clients' connections carry nothing, and stay open"
    ClientSlow "client-slow" "clients' connections are late and narrow"
    ClientSlice "client-slice" "clients' connections carry a few bytes at a time"
    ClientReplay "client-replay" "clients are cut off, come back, and send again what was acknowledged"
    DatabaseCut "database-cut" "connections between nodes and PostgreSQL are reset"
    DatabaseStall "database-stall" "connections between nodes and PostgreSQL carry nothing"
    DatabaseSlow "database-slow" "connections between nodes and PostgreSQL are late"
    BusCut "bus-cut" "connections between nodes and Redis are reset"
    BusStall "bus-stall" "connections between nodes and Redis carry nothing"
    BusFrames "bus-frames" "messages of Redis are dropped and doubled"
}

impl Kind {
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    pub fn is_of(self, setup: Setup) -> bool {
        use Kind::*;
        match self {
            DiskFull => setup == Setup::Sqlite,
            PostgresRestart | PostgresStop | PostgresBackends | DatabaseCut | DatabaseStall | DatabaseSlow => {
                setup.has_postgres()
            }
            RedisKill | RedisStop | RedisFlush | BusCut | BusStall | BusFrames => setup.has_redis(),
            _ => true,
        }
    }

    /// Where it strikes, when it strikes `node`.
    pub fn place(self, node: usize) -> Place {
        use Kind::*;
        match self {
            NodeKill | NodeTerminate | NodeStop => Place::Node(node),
            // The one node of that setup: what is read during it must not meet a killed node.
            DiskFull => Place::Node(0),
            ClockJump => Place::Clock,
            PostgresRestart | PostgresStop | PostgresBackends => Place::Postgres,
            RedisKill | RedisStop | RedisFlush => Place::Redis,
            DatabaseStall | DatabaseSlow => Place::DatabaseLink,
            BusStall | BusFrames => Place::BusLink,
            ClientStall | ClientSlow | ClientSlice => Place::ClientLinks,
            ClientCut | ClientReset | ClientHalf | ClientReplay | DatabaseCut | BusCut => Place::Moment,
        }
    }

    /// The shortest and the longest that it holds, in milliseconds.
    pub fn holds_ms(self) -> (u64, u64) {
        use Kind::*;
        match self {
            NodeStop => (1_000, 20_000),
            NodeKill | RedisKill | PostgresRestart => (0, 3_000),
            NodeTerminate => (0, 500),
            ClockJump => (2_000, 8_000),
            DiskFull => (3_000, 6_000),
            PostgresStop | RedisStop => (1_000, 12_000),
            ClientStall | ClientSlow | ClientSlice | BusFrames | DatabaseSlow => (2_000, 8_000),
            DatabaseStall | BusStall => (1_000, 8_000),
            PostgresBackends | RedisFlush | ClientCut | ClientReset | ClientHalf | ClientReplay | DatabaseCut
            | BusCut => (0, 0),
        }
    }

    /// It strikes clients, some or all.
    pub fn strikes_clients(self) -> bool {
        self.name().starts_with("client-")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
