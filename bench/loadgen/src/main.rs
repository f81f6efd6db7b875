//! A load generator for the events of the conversations contract (`conversation:join`, `message:send`,
//! `message:received`) and its REST routes.
//!
//! One thread, one epoll loop, and WebSocket and Socket.IO frames made by hand: the server is what runs out first. It
//! keeps account of every message, so each run also says whether any was lost, came twice or came out of order. A run
//! ends in one line of JSON.

mod arguments;
mod comeback;
mod connection;
mod history;
mod json;
mod load;
mod process;
mod report;
mod rest;

use std::process::ExitCode;

use arguments::Arguments;
use load::Load;

const USAGE: &str = "\
loadgen idle|pairs|fanout|comeback|history --port P[,P] --pid SERVER_PID [--label L] [--setup rest|static]
  idle:    --conns N --hold SECS            connect N, hold, report RSS per connection and connect rate
  pairs:   --convs M --rate R --secs S      R sends/s over 2M connections; --rate 0 is a closed loop
  fanout:  --members K --senders S --rate R --secs T   one room; --stall J members never read
  comeback: --conns N --members K --delays stock|none   kill the server (its starter must start it again), come back
  history: --convs M --clients C --secs S --depth D --get PATH   GET PATH ({id}: the conversation) over keep-alive HTTP
  common:  --payload BYTES --warm SECS --path /socket.io/ --secret KEY --dsts N (127.0.0.1..N)
           --inflight N (connecting at once) --connect_secs SECS";

fn main() -> ExitCode {
    let run = Arguments::read(std::env::args().skip(1));
    match run.as_ref().map(|(scenario, arguments)| (scenario.as_str(), arguments)) {
        Some((scenario @ ("idle" | "pairs" | "fanout" | "comeback"), arguments)) => {
            Load::new(arguments.clone(), scenario).run()
        }
        Some(("history", arguments)) => history::run(arguments),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
