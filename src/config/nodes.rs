//! Where the other nodes reach this one when a bus is named and no address.

use super::{ListenAddr, MediaUrl, Reader, media, setting};

impl Reader<'_> {
    /// The first listen address, where others can reach it; else nothing, and a note that says what that means: clients that
    /// poll through a balancer would never connect, and nothing would say why.
    pub(super) fn node_url_by_default(
        &mut self,
        listen: &[ListenAddr],
        media: &MediaUrl,
        media_shared: bool,
    ) -> Option<String> {
        let redis = setting("redis_url").variables[0];
        let name = setting("node_url").variables[0];
        let specific = listen.first().and_then(|address| match address {
            ListenAddr::Exactly(address) if !address.ip().is_unspecified() && address.port() != 0 => Some(*address),
            _ => None,
        });
        let Some(address) = specific else {
            self.notes.push(format!(
                "{redis} is set, but {name} is not, and this node does not listen on one address that the others could \
                 use: no other node can hand requests over to this one, so that clients which poll through a balancer do \
                 not connect; set {name} to http://host:port, where the other nodes reach this one."
            ));
            return None;
        };
        let url = format!("http://{address}");
        self.show_default("node_url", &url);
        if !media::is_seen_by_all(media, media_shared) {
            self.notes.push(format!(
                "{redis} is set, so this may be one of several nodes, but the files lie in {media}, which another node may \
                 not see; set {} to s3://bucket/prefix, or {} to on where that folder is one and the same for all nodes.",
                setting("media_url").variables[0],
                setting("media_shared").variables[0]
            ));
        }
        Some(url)
    }
}
